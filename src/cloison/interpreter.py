"""Ends the command with one sentence on a Python that is too old for it.

Rule: this file and `__main__` are valid since Python 3.6, and are run before any other module is read.
"""

import sys

OLDEST = (3, 11)
UNPROVEN = 3
"""`errors.UNPROVEN`; that module is not valid in an old Python."""


def check_version() -> None:
    """Exit with 3 if this Python is too old; Python's own exit code for an error, 1, would mean a breach."""
    version = sys.version_info[:2]
    if version < OLDEST:
        sys.stderr.write(
            f"cloison: Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, and this is {version[0]}.{version[1]}; "
            "install one; `uv tool install cloison` does that by itself\n"
        )
        sys.exit(UNPROVEN)
