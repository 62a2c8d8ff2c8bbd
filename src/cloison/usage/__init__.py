"""How the connections of a project were used over days, and which lines of its policy nothing used (pure)."""
