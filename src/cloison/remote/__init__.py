"""Proofs where this process may not enter namespaces: through the agent, a helper container on the engine's machine."""
