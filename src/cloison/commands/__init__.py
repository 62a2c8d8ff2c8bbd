"""The verbs of the command line, one in each module.

Rule: a verb imports its heavy modules inside its functions, so that help and usage errors do not wait for them.
"""
