"""Keeps proofs and answers what they say over time."""
