"""The predicted reach of every flow, from a Compose file and an engine's facts: a module of rules for each engine."""
