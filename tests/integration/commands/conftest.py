"""Fixtures of the tests that run on a real project."""

from __future__ import annotations

from tests.integration.project_fixtures import built, lab, logging_project, tiers

__all__ = ["built", "lab", "logging_project", "tiers"]
