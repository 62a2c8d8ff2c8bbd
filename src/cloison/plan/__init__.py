"""A Compose file judged without an engine: the plan document, lint findings, and the networks that a policy needs."""
