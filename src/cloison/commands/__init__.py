"""One verb a file.

Rule: a verb imports what it works with when it works, so that help and a wrong word wait for nothing.
"""
