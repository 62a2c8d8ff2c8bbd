"""Fixtures of the tests of what is documented to have surprised others."""

from __future__ import annotations

from tests.powers.conftest import idlers, image

__all__ = ["idlers", "image"]
