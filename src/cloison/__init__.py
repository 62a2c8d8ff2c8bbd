"""Proves who can reach whom in a running Compose project, and says why."""
