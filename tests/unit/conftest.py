"""Hypothesis runs the same examples every time and stores nothing between runs."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, derandomize=True, database=None)
settings.load_profile("unit")
