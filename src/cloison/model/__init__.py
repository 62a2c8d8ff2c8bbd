"""The values that all packages share: flows, the facts of an engine, outcomes and their meaning."""
