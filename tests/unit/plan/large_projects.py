"""Large projects for tests and benchmarks of a plan: many services on few networks, and ranges of ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.unit.plan.sample_documents import service

KINDS: Final = ("identical", "different", "half")
"""Services that expose the same port, each its own, or every second one its own."""
POLICY: Final[Mapping[str, Any]] = {
    "allow": ["outside -> s000:80", "* -> s001:5432", "s002 -> outside"],
    "tolerate": [{"network": "n0", "why": "Docker has no policy inside a network"}],
}


def many_services(
    count: int, networks: int, kind: str = "identical", policy: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return services that share networks in turn, of which every second one is internal; the first one publishes."""
    services = {
        f"s{number:03}": service(
            f"n{number % networks}",
            expose=(5432, 3000 + number if kind == "different" or (kind == "half" and number % 2) else 3000),
            ports=("8080:80",) if number == 0 else (),
        )
        for number in range(count)
    }
    document = {
        "name": "large",
        "services": services,
        "networks": {f"n{n}": {"name": f"large_n{n}", "internal": bool(n % 2)} for n in range(networks)},
    }
    return document | ({"x-cloison": policy} if policy is not None else {})


def switchboard(
    first: int, last: int, policy: Mapping[str, Any] | None = None, *, offset: int = 0, **services: Any
) -> dict[str, Any]:
    """Return a service that publishes a range of UDP ports, and a database."""
    ports = tuple(f"{port + offset}:{port}/udp" for port in range(first, last + 1))
    document = {
        "name": "pbx",
        "services": {"pbx": service("net", ports=("5060:5060/udp", *ports)), "db": service("net"), **services},
        "networks": {"net": {"name": "pbx_net"}},
    }
    return document | ({"x-cloison": policy} if policy is not None else {})
