"""The benchmarks: each compares two sides in one run and reports their ratio."""
