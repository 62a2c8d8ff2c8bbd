"""Encryption of stored secrets: the keys, the columns that are encrypted, and the verbs of the operator."""
