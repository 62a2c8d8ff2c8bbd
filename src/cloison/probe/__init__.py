"""Packets of probes: written, sent, received and read, in many network namespaces at once."""
