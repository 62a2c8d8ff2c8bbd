"""Inspects the host for the facts that known vulnerabilities depend on and that no engine API reports.

Input: the path of the engine's socket. Output: `HostFacts` (see `findings.host_facts`).
Rule: nothing on the host is changed; a fact that cannot be read is None (or empty), which means unknown.
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
