"""The order in which the containers of a rehearsal start, so that each gets the address that it gets in the project.

Input: the services of the file and of the rehearsal. Output: `depends_on` for each service of the rehearsal.
Rules:
  - The order of `depends_on` is kept. Its conditions are not: an idle container is never healthy and never completes.
  - A service with a static address starts before those of its network that take the lowest free one, unless it depends
    on them: the engine might have given its address away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

STARTED: Final = {"condition": "service_started"}
ADDRESSES: Final = ("ipv4_address", "ipv6_address")
Body = Mapping[str, Any]


def dependencies(services: Mapping[str, Body], stand_ins: Mapping[str, Body]) -> dict[str, dict[str, Any]]:
    """Return the `depends_on` of each stand-in that waits for another one."""
    waits = {
        name: {other for other in services[name].get("depends_on") or {} if other in stand_ins} for name in stand_ins
    }
    for name, body in stand_ins.items():
        kind, _, owner = str(body.get("network_mode") or "").partition(":")
        if kind == "service" and owner in stand_ins:
            waits[name].add(owner)
    fixed = {name: networks for name, body in stand_ins.items() if (networks := _networks(body, is_static=True))}
    for first, networks in sorted(fixed.items()):
        before = _reached(waits, first)
        for name, body in sorted(stand_ins.items()):
            if name not in before and name not in fixed and not networks.isdisjoint(_networks(body, is_static=False)):
                waits[name].add(first)
    return {name: dict.fromkeys(sorted(others), STARTED) for name, others in waits.items() if others}


def _networks(body: Body, *, is_static: bool) -> set[str]:
    """Return the networks on which a service has a static address, or takes a free one."""
    attachments = (body.get("networks") or {}).items()
    return {key for key, given in attachments if is_static == any((given or {}).get(member) for member in ADDRESSES)}


def _reached(waits: Mapping[str, set[str]], start: str) -> set[str]:
    """Return a service and all that it waits for, directly or not."""
    found, left = {start}, [start]
    while left:
        new = waits[left.pop()] - found
        found |= new
        left += new
    return found
