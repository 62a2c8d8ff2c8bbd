"""Fixtures of the tests that run on a real project, and of those that need idle containers."""

from __future__ import annotations

from tests.integration.audit.conftest import idle_project, image
from tests.integration.project_fixtures import built, lab, logging_project, tiers

__all__ = ["built", "idle_project", "image", "lab", "logging_project", "tiers"]
