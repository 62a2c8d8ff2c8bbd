"""Fixtures of the tests that run on a real project."""

from __future__ import annotations

from tests.integration.project_fixtures import built, hearer, lab, tiers

__all__ = ["built", "hearer", "lab", "tiers"]
