"""Pushes an image to a registry and reads its digest back."""
