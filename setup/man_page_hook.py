# noqa: INP001  # a hook of hatchling, not a package
"""Puts the manual page into the wheel, where `make dist` has made it: pipx shows it to `man`.

A build from a clone has no page and needs none.
Source: https://hatch.pypa.io/latest/plugins/build-hook/custom/ and .../plugins/builder/wheel/#build-data
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPageHook(BuildHookInterface):  # type: ignore[type-arg]
    """The hook of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the page to a wheel that is no editable one."""
        page = Path(self.root, "man/cloison.1")
        if version == "standard" and page.is_file():
            build_data["shared_data"][str(page)] = "share/man/man1/cloison.1"
