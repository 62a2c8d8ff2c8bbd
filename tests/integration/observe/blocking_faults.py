"""Injected faults that close a needed flow, and the expected result of a proof."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.integration.compose_project import docker, service
from tests.integration.observe.fault_builders import (
    Inject,
    InjectedFault,
    all_of,
    by_iptables,
    by_table_rewrite,
    filter_in_namespace,
    in_namespace,
    rules,
    sysctl,
)
from tests.integration.observe.host_changes import RunningProject, done


def started_as(name: str, body: dict[str, Any]) -> Inject:
    """Have a service started otherwise than it was."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        document = running_project.lab.document
        try:
            running_project.lab.up(document | {"services": document["services"] | {name: body}})
            yield
        finally:
            running_project.lab.up(document)

    return made


@contextmanager
def network_disconnected(running_project: RunningProject) -> Iterator[None]:
    network, container = running_project.network("back"), running_project.container("app")
    docker("network", "disconnect", network, container)
    try:
        yield
    finally:
        docker("network", "connect", "--alias", "app", network, container)


@contextmanager
def veth_down(running_project: RunningProject) -> Iterator[None]:
    end = running_project.host_interface("db")
    with done(("ip", "link", "set", end, "down"), ("ip", "link", "set", end, "up")):
        yield


NEEDED = "app -> db:3306, app -> db:5353/udp"
TO_DB_PORT = "-d {db} -p tcp --dport 3306"


def broken(done: InjectedFault, *, only: bool = True, says: str = "") -> InjectedFault:
    """Return a fault that closes a flow instead of opening one."""
    return replace(done, word="broken", only=only, says=says)


def blocked_by_iptables(name: str, *templates: str, flows_named: str = NEEDED, **more: Any) -> InjectedFault:
    """Return a fault that iptables rules make."""
    return broken(by_iptables(name, *templates, flows_named=flows_named), **more)


BY_RULES = (
    blocked_by_iptables(
        "every packet to a container dropped",
        "-I DOCKER-USER -d {app} -j DROP",
        flows_named="proxy -> app:5000",
        only=False,
    ),
    blocked_by_iptables(
        "a port rejected with RST",
        f"-I DOCKER-USER {TO_DB_PORT} -j REJECT --reject-with tcp-reset",
        flows_named="app -> db:3306",
        says="was refused on the way",
    ),
    # The kernel sends an address one error a second: the first proof would take those of the second one.
    broken(
        InjectedFault(
            "a host rejected as prohibited",
            "sysctl icmp_ratelimit=0; iptables -I DOCKER-USER -d DB -j REJECT --reject-with icmp-host-prohibited",
            NEEDED,
            all_of(
                sysctl("net/ipv4/icmp_ratelimit", "0"),
                rules("-I DOCKER-USER -d {db} -j REJECT --reject-with icmp-host-prohibited"),
            ),
        ),
        says="host prohibited",
    ),
    blocked_by_iptables(
        "UDP to a port dropped",
        "-I DOCKER-USER -d {db} -p udp --dport 5353 -j DROP",
        flows_named="app -> db:5353/udp",
    ),
    blocked_by_iptables(
        "replies dropped",
        "-I DOCKER-USER -s {db} -p tcp --sport 3306 -j DROP",
        flows_named="app -> db:3306",
        says="needed, but the endpoint does not answer",
    ),
    blocked_by_iptables(
        "SYN-ACK dropped",
        "-I DOCKER-USER -s {app} -p tcp --tcp-flags SYN,ACK SYN,ACK -j DROP",
        flows_named="proxy -> app:5000",
    ),
    blocked_by_iptables(
        "packets of new connections dropped", "-I DOCKER-USER -d {db} -m conntrack --ctstate NEW,INVALID -j DROP"
    ),
    blocked_by_iptables(
        "a published port dropped before DNAT",
        "-t raw -I PREROUTING -p tcp --dport {port} -j DROP",
        flows_named="outside -> proxy:80",
    ),
    broken(
        by_table_rewrite(
            "a published port without DNAT and without docker-proxy",
            "-t nat -F DOCKER",
            "-I INPUT -p tcp --dport {port} -j DROP",
            flows_named="outside -> proxy:80",
        ),
    ),
    by_iptables(
        "a needed connection redirected to the host",
        f"-t nat -I PREROUTING {TO_DB_PORT} -j REDIRECT --to-ports 9",
        flows_named="app -> db:3306",
        word="unknown",
        verdict="unproven",
        says="which is not the endpoint of this flow",
    ),
    broken(
        InjectedFault(
            "frames dropped",
            "ebtables -A FORWARD -p IPv4 --ip-dst DB -j DROP",
            NEEDED,
            rules("-A FORWARD -p IPv4 --ip-dst {db} -j DROP", program="ebtables"),
        ),
    ),
    broken(
        InjectedFault(
            "a filter in the service's namespace",
            "in db: iptables -I INPUT -p tcp --dport 3306 -j DROP",
            "app -> db:3306",
            filter_in_namespace("db", "-I INPUT -p tcp --dport 3306 -j DROP"),
        ),
    ),
)
BY_LINKS = (
    broken(
        InjectedFault(
            "an attachment removed",
            "docker network disconnect BACK app",
            f"proxy -> app:5000, {NEEDED}",
            network_disconnected,
        ),
    ),
    broken(InjectedFault("an interface set down", "ip link set LINK_OF_DB down", NEEDED, veth_down)),
    broken(
        InjectedFault(
            "a blackhole route",
            "in app: ip route add blackhole DB",
            NEEDED,
            in_namespace("app", "ip route add blackhole {db}", "ip route del blackhole {db}"),
        ),
    ),
    broken(
        InjectedFault(
            "a neighbour entry with a wrong hardware address",
            "in app: ip neigh replace DB lladdr 02:00:00:00:00:99 nud permanent",
            NEEDED,
            in_namespace(
                "app",
                "ip neigh replace {db} lladdr 02:00:00:00:00:99 dev {app_link} nud permanent",
                "ip neigh del {db} dev {app_link}",
            ),
        ),
    ),
    broken(
        InjectedFault(
            "forwarding disabled on the host",
            "sysctl net.ipv4.ip_forward=0",
            "outside -> proxy:80",
            sysctl("net/ipv4/ip_forward", "0"),
        ),
    ),
)
BY_SERVICES = (
    broken(
        InjectedFault(
            "a port without a listener",
            "the application listens on port 5001",
            "proxy -> app:5000",
            started_as("app", service(5001, networks=["back"], expose=["5000"])),
        ),
    ),
    broken(
        InjectedFault(
            "a listener on loopback alone",
            "the application listens on 127.0.0.1",
            "proxy -> app:5000",
            started_as("app", service(5000, address="127.0.0.1", networks=["back"], expose=["5000"])),
        ),
    ),
)
BLOCKING_FAULTS = (*BY_RULES, *BY_LINKS, *BY_SERVICES)
