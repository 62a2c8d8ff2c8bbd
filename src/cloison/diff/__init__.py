"""The comparison of two proofs or two plans: which flows changed, and whether any of them is worse (pure)."""
