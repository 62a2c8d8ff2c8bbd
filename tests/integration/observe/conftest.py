"""Fixtures of the tests that run on a real project, and of those that need idle containers."""

from __future__ import annotations

from tests.integration.audit.conftest import idlers, image
from tests.integration.project_fixtures import built, hearer, lab, tiers

__all__ = ["built", "hearer", "idlers", "image", "lab", "tiers"]
