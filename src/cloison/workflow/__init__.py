"""The order of the steps of a proof: here, or through the agent."""
