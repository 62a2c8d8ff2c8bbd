"""The archive: stores proofs, and the state of each connection over time."""
