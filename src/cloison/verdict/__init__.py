"""The flows of a proof, the intention for each, and its judgement with a reason."""
