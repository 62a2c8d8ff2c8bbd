"""A project's networks on the real engine, with an idle container in the place of every service."""
