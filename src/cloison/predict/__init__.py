"""What a Compose file and an engine's facts say about every flow: one module of rules an engine and version of IP."""
