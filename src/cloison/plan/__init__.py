"""The judgement of a Compose file without an engine: the plan document, lint findings and proposed networks."""
