"""Fixtures of the tests of enforcement, which change the packet filter of the engine that they run on."""

from __future__ import annotations

from tests.integration.project_fixtures import built, lab

__all__ = ["built", "lab"]
