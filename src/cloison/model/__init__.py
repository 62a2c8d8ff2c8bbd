"""The words of a proof: flows, the facts about an engine, and what an outcome means."""
