"""Versions of engines, in the order of their releases.

Input: the version as an engine gives it: `28.0.1`, `26.0.0-rc3`, `20.10.24+dfsg1`, `24.0.7-0ubuntu4`.
Rule: the suffix of a distribution is left out, because it says nothing about the release.
Source: https://packaging.python.org/en/latest/specifications/version-specifiers/ (order of releases and previews)
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from packaging.version import Version

RELEASE: Final = re.compile(r"v?\d+\.\d+(?:\.\d+)?(?:-(?:alpha|beta|rc)\.?\d*)?")


@lru_cache(maxsize=256)
def parse_version(text: str) -> Version | None:
    """Return the version at the beginning of `text`, None when there is none."""
    match = RELEASE.match(text)
    return Version(match[0]) if match else None
