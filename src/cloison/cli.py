"""argv to exit code."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command."""
    return 2 if sys.argv[1:] else 0
