"""The way of a proof to a ledger: kept on disk first, sent then, forgotten when the ledger has it.

Rule: a proof leaves the disk when the ledger named its digest, and at no other moment.
"""
