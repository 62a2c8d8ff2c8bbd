"""Rehearsals: a project's networks on the real engine, with an idle container for every service."""
