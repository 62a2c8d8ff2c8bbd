"""Observes the flows of a proof: which sockets to open where, what to probe, what the answers mean."""
