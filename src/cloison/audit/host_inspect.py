"""Inspects the engine's machine for the settings that decide whether a known vulnerability matters.

Output: HostFacts. The engine's own settings come from `Engine.daemon`.
Rule: nothing here changes anything; a member is None where it could not be read.
Source: resolv.conf(5)
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cloison.findings.host_facts import HostFacts
from cloison.linux import processes

FIREWALLD: Final = "firewalld"
RESOLV_CONF: Final = Path("/etc/resolv.conf")


def inspect_host() -> HostFacts:
    """Return the settings of this machine."""
    return HostFacts(firewalld=any(processes.named(FIREWALLD)), resolvers=_nameservers())


def _nameservers() -> tuple[str, ...] | None:
    try:
        lines = RESOLV_CONF.read_text().splitlines()
    except OSError:
        return None
    return tuple(words[1] for line in lines if (words := line.split())[:1] == ["nameserver"] and words[1:])
