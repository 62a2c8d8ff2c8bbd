"""Container engines: the interface of an engine, as Protocols that mypy checks.

An engine is a module, or a package, with the members of `EngineModule`; `select.ENGINES` has a row for each, by name.
Beside the engines stands what they share: `connection` and `ssh_tunnel` (how the API is reached), `compose_cli`
(Compose's command), `labels` (on containers, networks and images) and `select` (which engine answers).

Rule: the name of an engine and the names of its programs are written in this package and in `predict` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # Compose's command alone needs neither the library nor the findings
    from docker import APIClient

    from cloison.findings.engine_cves import Vulnerability
    from cloison.findings.host_facts import DaemonFacts
    from cloison.model.facts import Container, Facts
    from cloison.model.flow import Protocol as TransportProtocol


@dataclass(frozen=True, slots=True)
class HostPrograms:
    """The programs of an engine that listen on the host, by the name that `/proc/PID/comm` has (15 bytes)."""

    daemon: str = ""
    """The program that makes containers; empty for an engine without one."""
    port_proxies: tuple[str, ...] = ()
    """The programs that hold a socket for each published port."""


@dataclass(frozen=True, slots=True, order=True)
class ProxiedPort:
    """A port of the host from which a program of an engine copies to an address; `host_address` is empty for any."""

    host_address: str
    host_port: int
    protocol: TransportProtocol
    address: str
    port: int


class Engine(Protocol):
    """A connection to one engine on this machine."""

    def facts(self, project: str, networks: frozenset[str]) -> Facts:
        """Return the engine's facts, the containers of the project and those attached to `networks`.

        Containers of the project are listed whether they run or not, foreign containers only if they run.
        Raises NotProven when the engine does not answer.
        """
        ...

    def containers(self, project: str, networks: frozenset[str]) -> tuple[Container, ...]:
        """Return the same containers again, to see whether anything changed meanwhile.

        Raises NotProven when the engine does not answer.
        """
        ...

    def daemon(self) -> DaemonFacts:
        """Return the settings of the engine's daemon, as far as this process may read them."""
        ...

    def vulnerabilities(self) -> Sequence[Vulnerability]:
        """Return the known vulnerabilities of this kind of engine, in all of its versions."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class EngineModule(Protocol):
    """A module that is an engine."""

    @property
    def NAME(self) -> str:  # noqa: N802  # a module's constant
        """The engine's name in facts and proof documents."""
        ...

    @property
    def COMPONENT(self) -> str:  # noqa: N802  # a module's constant
        """The component of the answer to `GET /version` that only this engine has."""
        ...

    @property
    def PROGRAMS(self) -> HostPrograms:  # noqa: N802  # a module's constant
        """The engine's programs on the host."""
        ...

    @property
    def TABLES(self) -> frozenset[str]:  # noqa: N802  # a module's constant
        """The nftables tables that the engine makes, apart from those of iptables."""
        ...

    def connect(self, api: APIClient, socket: str) -> Engine:
        """Return the engine behind a client; `socket` is the path of its Unix socket. `Engine.close` closes `api`."""
        ...

    def unreached_rules(self) -> Iterator[str]:
        """Yield sentences about rules for packets of containers that the kernel never asks."""
        ...

    def proxied_ports(self) -> Iterator[ProxiedPort]:
        """Yield the ports from which running programs of the engine copy, whether the engine knows them or not."""
        ...


Document = Mapping[str, Any]
"""A JSON object of the Docker-compatible API."""
