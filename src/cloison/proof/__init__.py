"""The proof document: its schema, and how it is built."""
