"""Sends proofs to a ledger: each is written to disk, sent, and removed when the ledger has accepted it.

Rule: a proof is removed from the disk only after the ledger has answered with its digest.
"""
