"""The Compose file as Compose resolved it, and the policy that stands in it."""
