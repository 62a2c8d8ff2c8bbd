"""The migrations, one file for each, in order."""
