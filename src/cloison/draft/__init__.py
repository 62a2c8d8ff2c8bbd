"""A policy for a project that has none, from its Compose file and from the connections that were seen (pure)."""
