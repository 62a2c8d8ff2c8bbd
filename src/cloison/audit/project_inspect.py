"""Inspects the project as it runs: shared namespaces, hardware addresses, and names on shared networks.

Input: an open probe session. Output: risks (see `findings`).
Rule: nothing is changed. A name server is asked only for names that the engine knows, so no query leaves the machine.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Final

from cloison.audit.dns_leak_check import DNS_PORT, EMBEDDED_DNS, RECEIVE_SIZE
from cloison.findings import network_names, shared_namespaces
from cloison.findings.container_risks import Risk
from cloison.linux import interfaces, netns
from cloison.linux import poll as linux_poll
from cloison.model.facts import Container
from cloison.model.flow import ip_version
from cloison.observe.observer import ProbeSession
from cloison.predict.predictor import DEFAULT_ENGINE

RECORD_TYPES: Final = ("A", "AAAA")
Question = tuple[str, str]
"""The container that asks, and the name."""


def stale_namespaces(session: ProbeSession) -> list[Risk]:
    """Return a risk for each container that is not in the network namespace that it should share."""
    inodes = {name: netns.identity(sockets.descriptor) for (_, name), sockets in session.probe_sockets.items() if name}
    owners = {name: s.shares_namespace_with for name, s in session.project.services.items() if s.shares_namespace_with}
    return [*shared_namespaces.stale_namespaces(session.project.name, session.facts.containers, owners, inodes)]


def equal_macs(session: ProbeSession) -> list[Risk]:
    """Return a risk for each hardware address that two containers of a network have."""
    return [*network_names.equal_macs(triple for c in session.facts.containers for triple in _macs(session, c))]


def _macs(session: ProbeSession, container: Container) -> Iterator[tuple[str, str, str]]:
    """Yield network, hardware address and name for each interface of a container with an address of a network."""
    sockets = session.probe_sockets.get(("", container.name))
    if not sockets or not container.attachments:
        return
    for link in interfaces.of(sockets.descriptor).values():
        for attachment in container.attachments:
            if not {*attachment.addresses}.isdisjoint(link.addresses):
                yield attachment.network, link.mac_address.hex(":"), container.name


def foreign_names(session: ProbeSession, timeout: float) -> list[Risk]:
    """Return a risk for each name of the project that leads to another project; `timeout` is seconds for all."""
    names = network_names.ambiguous_names(session.facts, session.project.name, session.project.services)
    questions = [(c, name) for c, known in names.items() if ("", c) in session.probe_sockets for name in known]
    answers = _ask(session, questions, timeout) if questions else {}
    return [*network_names.foreign_names(session.facts, session.project.name, answers)]


def _ask(session: ProbeSession, questions: list[Question], timeout: float) -> Mapping[Question, set[str]]:
    """Return the addresses that the engine's name server answers, by question."""
    from dns import message  # noqa: PLC0415  # 50 ms, which only a project with such names needs

    answers: dict[Question, set[str]] = {}
    with ExitStack() as stack:
        pending: dict[socket.socket, Question] = {}
        for container, name in questions:
            for server in _name_servers(session, container):
                for kind in RECORD_TYPES:
                    with netns.inside(session.probe_sockets["", container].descriptor):
                        family = socket.AF_INET if ip_version(server) == 4 else socket.AF_INET6  # noqa: PLR2004  # of IP
                        asking = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                    asking.setblocking(False)  # noqa: FBT003  # the socket module's own signature
                    with suppress(OSError):  # the container has no name server there
                        asking.connect((server, DNS_PORT))
                        asking.send(message.make_query(f"{name}.", kind).to_wire())
                        pending[asking] = (container, name)
        deadline = time.monotonic() + timeout
        while pending and (left := deadline - time.monotonic()) > 0:
            for asking in linux_poll.readable([*pending], left):
                question = pending.pop(asking)
                with suppress(OSError):
                    answers.setdefault(question, set()).update(addresses(asking.recv(RECEIVE_SIZE)))
    return answers


def addresses(datagram: bytes) -> set[str]:
    """Return the addresses in a DNS answer, none when the datagram is not one."""
    from dns import exception, message, rdatatype  # noqa: PLC0415  # as above

    try:
        answer = message.from_wire(datagram).answer
    except exception.DNSException:
        return set()
    return {str(item) for rrset in answer if rrset.rdtype in (rdatatype.A, rdatatype.AAAA) for item in rrset}


def _name_servers(session: ProbeSession, container: str) -> list[str]:
    """Return the engine's name servers for a container: Podman's listen on the host's addresses of its networks."""
    if session.facts.engine.name == DEFAULT_ENGINE:
        return [EMBEDDED_DNS[0]]
    networks = {a.network for c in session.facts.containers if c.name == container for a in c.attachments}
    return [address for network, address in session.facts.host_attachments if network in networks]
