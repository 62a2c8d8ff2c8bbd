"""A policy written for another system, with a sentence for each line that has no counterpart there (pure)."""
