"""The Compose file as Compose resolves it, and the policy that it contains."""
