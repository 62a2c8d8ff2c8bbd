"""The proof document: its schema, and the function that builds it."""
