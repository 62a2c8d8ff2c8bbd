"""The mirror of the catalogue of holes: ways to break a door that is needed, and what a proof says then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.integration.compose_project import docker, service
from tests.integration.observe.fault_builders import (
    Make,
    Tampering,
    filtered_within,
    rewritten,
    ruled,
    rules,
    sysctl,
    within,
)
from tests.integration.observe.host_changes import Walls, done


def started_as(name: str, body: dict[str, Any]) -> Make:
    """Have a service started otherwise than it was."""

    @contextmanager
    def made(walls: Walls) -> Iterator[None]:
        document = walls.lab.document
        try:
            walls.lab.up(document | {"services": document["services"] | {name: body}})
            yield
        finally:
            walls.lab.up(document)

    return made


@contextmanager
def lost_seat(walls: Walls) -> Iterator[None]:
    network, container = walls.network("back"), walls.container("app")
    docker("network", "disconnect", network, container)
    try:
        yield
    finally:
        docker("network", "connect", "--alias", "app", network, container)


@contextmanager
def unplugged(walls: Walls) -> Iterator[None]:
    end = walls.far_end("db")
    with done(("ip", "link", "set", end, "down"), ("ip", "link", "set", end, "up")):
        yield


NEEDED = "app -> db:3306, app -> db:5353/udp"
DOOR = "-d {db} -p tcp --dport 3306"


def broken(done: Tampering, *, only: bool = True, says: str = "") -> Tampering:
    """Return what breaks a door instead of opening one."""
    return replace(done, word="broken", only=only, says=says)


def ruled_out(name: str, *templates: str, doors: str = NEEDED, **more: Any) -> Tampering:
    """Return what rules of iptables break."""
    return broken(ruled(name, *templates, doors=doors), **more)


BY_RULES = (
    ruled_out(
        "a container kept from everybody", "-I DOCKER-USER -d {app} -j DROP", doors="proxy -> app:5000", only=False
    ),
    ruled_out(
        "a port that is reset",
        f"-I DOCKER-USER {DOOR} -j REJECT --reject-with tcp-reset",
        doors="app -> db:3306",
        says="was refused on the way",
    ),
    ruled_out(
        "a host that is prohibited",
        "-I DOCKER-USER -d {db} -j REJECT --reject-with icmp-host-prohibited",
        says="host prohibited",
    ),
    ruled_out(
        "datagrams to a port dropped",
        "-I DOCKER-USER -d {db} -p udp --dport 5353 -j DROP",
        doors="app -> db:5353/udp",
    ),
    ruled_out(
        "answers dropped",
        "-I DOCKER-USER -s {db} -p tcp --sport 3306 -j DROP",
        doors="app -> db:3306",
        says="needed, but nobody answers",
    ),
    ruled_out(
        "acceptances dropped",
        "-I DOCKER-USER -s {app} -p tcp --tcp-flags SYN,ACK SYN,ACK -j DROP",
        doors="proxy -> app:5000",
    ),
    ruled_out("dropped by state", "-I DOCKER-USER -d {db} -m conntrack --ctstate NEW,INVALID -j DROP"),
    ruled_out(
        "a published port, dropped before it is translated",
        "-t raw -I PREROUTING -p tcp --dport {port} -j DROP",
        doors="outside -> proxy:80",
    ),
    broken(
        rewritten(
            "a published port of which nobody takes care",
            "-t nat -F DOCKER",
            "-I INPUT -p tcp --dport {port} -j DROP",
            doors="outside -> proxy:80",
        ),
    ),
    ruled(
        "a needed door led to the host",
        f"-t nat -I PREROUTING {DOOR} -j REDIRECT --to-ports 9",
        doors="app -> db:3306",
        word="unknown",
        verdict="unproven",
        says="which is not where this way ought to lead",
    ),
    broken(
        Tampering(
            "frames dropped",
            "ebtables -A FORWARD -p IPv4 --ip-dst DB -j DROP",
            NEEDED,
            rules("-A FORWARD -p IPv4 --ip-dst {db} -j DROP", program="ebtables"),
        ),
    ),
    broken(
        Tampering(
            "a filter of the service's own",
            "in db: iptables -I INPUT -p tcp --dport 3306 -j DROP",
            "app -> db:3306",
            filtered_within("db", "-I INPUT -p tcp --dport 3306 -j DROP"),
        ),
    ),
)
BY_WAYS = (
    broken(
        Tampering("a seat lost", "docker network disconnect BACK app", f"proxy -> app:5000, {NEEDED}", lost_seat),
    ),
    broken(Tampering("a cable unplugged", "ip link set LINK_OF_DB down", NEEDED, unplugged)),
    broken(
        Tampering(
            "a route into nowhere",
            "in app: ip route add blackhole DB",
            NEEDED,
            within("app", "ip route add blackhole {db}", "ip route del blackhole {db}"),
        ),
    ),
    broken(
        Tampering(
            "a neighbour with another's hardware address",
            "in app: ip neigh replace DB lladdr 02:00:00:00:00:99 nud permanent",
            NEEDED,
            within(
                "app",
                "ip neigh replace {db} lladdr 02:00:00:00:00:99 dev {app_link} nud permanent",
                "ip neigh del {db} dev {app_link}",
            ),
        ),
    ),
    broken(
        Tampering(
            "a host that forwards nothing",
            "sysctl net.ipv4.ip_forward=0",
            "outside -> proxy:80",
            sysctl("net/ipv4/ip_forward", "0"),
        ),
    ),
)
BY_SERVICES = (
    broken(
        Tampering(
            "a port on which nobody listens",
            "the application listens on port 5001",
            "proxy -> app:5000",
            started_as("app", service(5001, networks=["back"], expose=["5000"])),
        ),
    ),
    broken(
        Tampering(
            "a port that listens on loopback alone",
            "the application listens on 127.0.0.1",
            "proxy -> app:5000",
            started_as("app", service(5000, address="127.0.0.1", networks=["back"], expose=["5000"])),
        ),
    ),
)
BLOCKAGES = (*BY_RULES, *BY_WAYS, *BY_SERVICES)
