"""Defaults that the command line shows in its help, so that help need not import the facts.

Rule: nothing is imported here.
"""

from __future__ import annotations

from typing import Final

DEFAULT_ENGINE_VERSION: Final = "20.10"
"""The version that a plan assumes: the one that isolates least of those that are predicted."""
DEFAULT_FAIL_ON: Final = frozenset({"breach", "unknown"})
"""What makes a command fail: see `reports.failing`."""
