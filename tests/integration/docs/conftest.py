"""Fixtures of the tests that run the examples of the documentation on the engine."""

from __future__ import annotations

from tests.integration.project_fixtures import built, lab

__all__ = ["built", "lab"]
