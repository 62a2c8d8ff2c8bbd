"""Probes: packets that are built, sent, received and parsed in many network namespaces at once."""
