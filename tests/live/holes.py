"""The catalogue of holes: ways to open a wall of a running project behind the file's back, and what a proof says then.

Each was seen to open what it names. `python -m tests.live.catalogue` writes the page of them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

from tests.live import tools
from tests.live.lab import IMAGE, docker
from tests.live.tools import Walls, cable, done, python, run, setting, tables_as_they_were

Make = Callable[[Walls], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Tampering:
    """Something done to a running project. `doors` must be found as `word`; with `only`, no others may be."""

    name: str
    how: str
    doors: tuple[str, ...]
    make: Make
    word: Literal["drift", "file", "broken", "unknown", "tolerated", "holds"] = "drift"
    verdict: Literal["breached", "unproven", "proven"] = "breached"
    only: bool = False
    says: str = ""
    """What stands somewhere in the proof, in a reason, a note or what was skipped."""


def rules(*templates: str, program: str = "iptables") -> Make:
    """Have rules in the host's packet filter, each written as the program takes it; see Walls for the words."""

    @contextmanager
    def made(walls: Walls) -> Iterator[None]:
        with ExitStack() as stack:
            for template in templates:
                words = template.format_map(walls)
                undone = words.replace("-I ", "-D ").replace("-A ", "-D ")
                wait = ("--concurrent",) if program == "ebtables" else ("--wait",)
                stack.enter_context(done((program, *wait, *words.split()), (program, *wait, *undone.split())))
            yield

    return made


def changed(*templates: str) -> Make:
    """Have the host's packet filter changed in ways that only a copy of it brings back."""

    @contextmanager
    def made(walls: Walls) -> Iterator[None]:
        with tables_as_they_were():
            for template in templates:
                run("iptables", "--wait", *template.format_map(walls).split())
            yield

    return made


def commands(*pairs: tuple[str, str]) -> Make:
    """Have commands of the host run, and taken back by their counterparts in reverse."""

    @contextmanager
    def made(walls: Walls) -> Iterator[None]:
        with ExitStack() as stack:
            for do, undo in pairs:
                stack.enter_context(
                    done(tuple(do.format_map(walls).split()), tuple(undo.format_map(walls).split())),
                )
            yield

    return made


def all_of(*makes: Make) -> Make:
    """Have several things done together."""

    @contextmanager
    def made(walls: Walls) -> Iterator[None]:
        with ExitStack() as stack:
            for make in makes:
                stack.enter_context(make(walls))
            yield

    return made


def within(service: str, do: str, undo: str) -> Make:
    """Have a command run in the namespace of a service, and another afterwards."""

    @contextmanager
    def made(walls: Walls) -> Iterator[None]:
        walls.within(service, *do.format_map(walls).split())
        try:
            yield
        finally:
            walls.within(service, *undo.format_map(walls).split())

    return made


def filtered_within(service: str, *templates: str) -> Make:
    """Have rules in the packet filter of a service's own namespace."""
    return lambda walls: tools.rules_within(walls, service, *(text.format_map(walls) for text in templates))


def joined(*ends: tuple[str, str]) -> Make:
    """Have two places joined by a cable of their own."""
    return lambda walls: cable(walls, *ends)


@contextmanager
def second_seat(walls: Walls) -> Iterator[None]:
    network, container = walls.network("front"), walls.container("db")
    with done(("docker", "network", "connect", network, container), ("docker", "network", "disconnect", network, container)):
        yield


@contextmanager
def second_seat_over_ipv6(walls: Walls) -> Iterator[None]:
    name = f"{walls.lab.name}_six"
    docker("network", "create", "--ipv6", "--subnet", "fd5c:c10:5::/64", name)
    try:
        with ExitStack() as stack:
            for container in (walls.container("db"), walls.container("guest")):
                docker("network", "connect", name, container)
                stack.callback(docker, "network", "disconnect", name, container)
            yield
    finally:
        docker("network", "rm", name)


def stranger(network: str) -> Make:
    """Have a container of another project near: on a network, or in a container's namespace."""

    @contextmanager
    def made(walls: Walls) -> Iterator[None]:
        name = f"{walls.lab.name}-stranger"
        where = f"container:{walls.container(network)}" if network == "db" else walls.network(network)
        docker("run", "--detach", "--rm", "--name", name, "--network", where, "--entrypoint", "sleep", IMAGE, "600")
        try:
            yield
        finally:
            docker("rm", "--force", name)

    return made


@contextmanager
def published_behind_the_file(walls: Walls) -> Iterator[None]:
    lab = walls.lab
    kept = (lab.folder / "compose.json").read_text()
    document = lab.document
    service = document["services"]["guest"] | {"ports": ["198.19.255.1::7000"]}
    try:
        lab.up(document | {"services": document["services"] | {"guest": service}})
        (lab.folder / "compose.json").write_text(kept)
        yield
    finally:
        (lab.folder / "compose.json").write_text(kept)
        lab.up(document)


def relay(service: str) -> Make:
    """Have a process that leads connections to the database on, in a service's namespace or on the host."""

    @contextmanager
    def made(walls: Walls) -> Iterator[None]:
        code = tools.RELAYING.format(port=13306, address=walls["db"], target=3306)
        with tools.process(*python(code, walls if service else None, service)):
            yield

    return made


@contextmanager
def engines_proxy(walls: Walls) -> Iterator[None]:
    """Have a process of the engine's own left over: it leads a port of the host's on."""
    words = ("-proto tcp -host-ip 0.0.0.0 -host-port 13306 -container-port 3306 -container-ip", walls["db"])
    with subprocess.Popen(["docker-proxy", *" ".join(words).split()], stderr=subprocess.DEVNULL) as made:
        try:
            yield
        finally:
            made.terminate()
            made.wait(tools.ENDING)


@contextmanager
def listening_within(walls: Walls) -> Iterator[None]:
    with tools.process(*python(tools.LISTENING.format(port=9999), walls, "db")):
        yield


@contextmanager
def another_gateway(walls: Walls) -> Iterator[None]:
    """Have the guest send everything through the proxy, which forwards in its own name."""
    before = walls.within("guest", "ip", "route", "show", "default").split()
    with (
        setting("net/ipv4/ip_forward", "1", walls, "proxy"),
        tools.rules_within(walls, "proxy", f"-t nat -I POSTROUTING -d {walls['db']} -j MASQUERADE"),
    ):
        walls.within("guest", "ip", "route", "replace", "default", "via", walls["proxy_front"])
        try:
            yield
        finally:
            walls.within("guest", "ip", "route", "replace", *before)


def sysctl(path: str, value: str) -> Make:
    """Have a setting of the host's kernel."""
    return lambda _walls: setting(path, value)


def sysctl_within(service: str, path: str, value: str) -> Make:
    """Have a setting of the kernel's in the namespace of a service."""
    return lambda walls: setting(path, value, walls, service)


@contextmanager
def tunnel(walls: Walls) -> Iterator[None]:
    """Have a link in the database's namespace that a process reads, as a VPN does."""
    for words in ("tuntap add hand0 mode tun", "addr add 10.99.9.1/30 dev hand0", "link set hand0 up"):
        walls.within("db", "ip", *words.split())
    try:
        yield
    finally:
        walls.within("db", "ip", "link", "del", "hand0")


@contextmanager
def moved_link(walls: Walls) -> Iterator[None]:
    """Have the host's end of the guest's link on the other bridge, and an address there."""
    end = walls.far_end("guest")
    back, front = (("ip", "link", "set", end, "master", walls[bridge]) for bridge in ("back_bridge", "front_bridge"))
    with done(back, front), alias("guest", "back")(walls):
        yield


def alias(service: str, network: str, number: int = 200) -> Make:
    """Have an address of a network's on a service that the engine did not give it."""

    @contextmanager
    def made(walls: Walls) -> Iterator[None]:
        address = walls.spare(network, number)
        with within(service, f"ip addr add {address} dev eth0", f"ip addr del {address} dev eth0")(walls):
            yield

    return made


BRIDGES_JOINED = commands(
    ("ip link add hand0 type veth peer name hand1", "ip link del hand0"),
    ("ip link set hand0 master {front_bridge} up", "true"),
    ("ip link set hand1 master {back_bridge} up", "true"),
)

HOLES = (
    Tampering("a second seat", "docker network connect front db",
              ("guest -> db:3306", "guest -> db:5353/udp", "proxy -> db:*", "db -> outside:*"), second_seat),
    Tampering("a second seat over IPv6", "docker network create --ipv6; docker network connect, twice",
              ("guest -> db:* over IPv6", "db -> guest:*/udp over IPv6"), second_seat_over_ipv6),
    Tampering("a container of another project on the network", "docker run --network back",
              ("stranger -> db:3306", "stranger -> db:5353/udp", "stranger -> app:*", "app -> stranger:*"), stranger("back")),
    Tampering("a container of another project in the database's namespace", "docker run --network container:db",
              ("stranger -> db:3306", "stranger -> app:5000"), stranger("db")),
    Tampering("a port published behind the file's back", "docker compose up with another file",
              ("outside -> guest:7000",), published_behind_the_file),
    Tampering("everything accepted where users may write rules", "iptables -I DOCKER-USER -j ACCEPT",
              ("outside -> db:3306", "outside -> db:5353/udp", "guest -> app:*", "db -> outside:*"),
              rules("-I DOCKER-USER -j ACCEPT")),
    Tampering("everything forwarded", "iptables -I FORWARD -j ACCEPT",
              ("outside -> db:3306", "outside -> guest:7000", "guest -> db:*/udp", "db -> outside:*/udp"),
              rules("-I FORWARD -j ACCEPT")),
    Tampering("whatever comes from a network", "iptables -I FORWARD -s FRONT -j ACCEPT",
              ("guest -> db:3306", "guest -> db:5353/udp", "guest -> app:5000"), rules("-I FORWARD -s {front} -j ACCEPT")),
    Tampering("whatever goes to a network, with no way back", "iptables -I FORWARD -d BACK -j ACCEPT",
              ("outside -> db:3306", "guest -> db:5353/udp", "guest -> app:*"), rules("-I FORWARD -d {back} -j ACCEPT")),
    Tampering("whatever leaves a network, with no way back", "iptables -I FORWARD -i BACK_BRIDGE -j ACCEPT",
              ("db -> outside:*", "db -> outside:*/udp", "app -> guest:7000"), rules("-I FORWARD -i {back_bridge} -j ACCEPT")),
    Tampering("one container, from everywhere", "iptables -I DOCKER-USER -d APP -j ACCEPT",
              ("guest -> app:*", "guest -> app:*/udp", "guest -> app:5000", "outside -> app:*", "outside -> app:*/udp",
               "outside -> app:5000"), rules("-I DOCKER-USER -d {app} -j ACCEPT"), only=True),
    Tampering("one port over TCP", "iptables -I DOCKER-USER -d BACK -p tcp --dport 3306 -j ACCEPT",
              ("guest -> db:3306", "outside -> db:3306"), rules("-I DOCKER-USER -d {back} -p tcp --dport 3306 -j ACCEPT"), only=True),
    Tampering("one port over UDP", "iptables -I DOCKER-USER -d BACK -p udp --dport 5353 -j ACCEPT",
              ("guest -> db:5353/udp", "outside -> db:5353/udp"),
              rules("-I DOCKER-USER -d {back} -p udp --dport 5353 -j ACCEPT"), only=True),
    Tampering("datagrams alone", "iptables -I DOCKER-USER -s FRONT -d BACK -p udp -j ACCEPT",
              ("guest -> app:*/udp", "guest -> db:*/udp", "guest -> db:5353/udp"),
              rules("-I DOCKER-USER -s {front} -d {back} -p udp -j ACCEPT"), only=True),
    Tampering("one door between two containers", "iptables -I DOCKER-USER -s GUEST -d DB -p tcp --dport 3306 -j ACCEPT",
              ("guest -> db:3306",), rules("-I DOCKER-USER -s {guest} -d {db} -p tcp --dport 3306 -j ACCEPT"), only=True),
    Tampering("one packet a minute", "iptables -I DOCKER-USER … -m limit --limit 1/min --limit-burst 1 -j ACCEPT",
              ("guest -> db:3306",),
              rules("-I DOCKER-USER -s {guest} -d {db} -p tcp --dport 3306 -m limit --limit 1/min --limit-burst 1 -j ACCEPT"),
              only=True),
    Tampering("every second packet", "iptables -I DOCKER-USER … -m statistic --mode nth --every 2 --packet 1 -j ACCEPT",
              ("guest -> db:3306",),
              rules("-I DOCKER-USER -s {guest} -d {db} -p tcp --dport 3306 -m statistic --mode nth --every 2 --packet 1 -j ACCEPT"),
              only=True),
    Tampering("new connections, by state", "iptables -I DOCKER-USER -m conntrack --ctstate NEW -d DB -j ACCEPT",
              ("outside -> db:3306", "guest -> db:*"), rules("-I DOCKER-USER -m conntrack --ctstate NEW -d {db} -j ACCEPT")),
    Tampering("a mark, and a rule for the mark", "iptables -t mangle -I PREROUTING -s GUEST -j MARK; -I FORWARD -m mark -j ACCEPT",
              ("guest -> db:3306", "guest -> app:*/udp"),
              rules("-t mangle -I PREROUTING -s {guest} -j MARK --set-mark 5", "-I FORWARD -m mark --mark 5 -j ACCEPT")),
    Tampering("a way out in the host's name", "iptables -t nat -I POSTROUTING -s DB -j MASQUERADE; -I DOCKER-USER -s/-d DB -j ACCEPT",
              ("db -> outside:*", "db -> outside:*/udp"),
              rules("-t nat -I POSTROUTING -s {db} -j MASQUERADE", "-I DOCKER-USER -s {db} -j ACCEPT",
                    "-I DOCKER-USER -d {db} -m conntrack --ctstate ESTABLISHED -j ACCEPT")),
    Tampering("what no rule speaks about", "iptables -P FORWARD ACCEPT", ("outside -> guest:7000", "outside -> proxy:*/udp"),
              changed("-P FORWARD ACCEPT"), word="file"),
    Tampering("the walls between networks emptied", "iptables -F DOCKER-ISOLATION-STAGE-1",
              ("guest -> db:3306", "guest -> app:*/udp"), changed("-F DOCKER-ISOLATION-STAGE-1")),
    Tampering("the packet filter emptied", "iptables -F; iptables -P FORWARD ACCEPT",
              ("outside -> db:3306", "guest -> db:3306", "guest -> db:5353/udp", "db -> outside:*"), changed("-F", "-P FORWARD ACCEPT")),
    Tampering("one rule of the engine's deleted", "iptables -D DOCKER-ISOLATION-STAGE-1 ! -s BACK -o BACK_BRIDGE -j DROP",
              ("guest -> db:3306", "guest -> app:*"), changed("-D DOCKER-ISOLATION-STAGE-1 ! -s {back} -o {back_bridge} -j DROP")),
    Tampering("a port of the host led to the database", "iptables -t nat -I PREROUTING -p tcp --dport 13306 -j DNAT --to-destination DB:3306",
              ("outside -> db:3306",),
              rules("-t nat -I PREROUTING -p tcp --dport 13306 -j DNAT --to-destination {db}:3306",
                    "-I DOCKER-USER -d {db} -m conntrack --ctstate DNAT -j ACCEPT",
                    "-I DOCKER-USER -s {db} -m conntrack --ctstate DNAT -j ACCEPT")),
    Tampering("a port of the host led to the database, over UDP",
              "iptables -t nat -I PREROUTING -p udp --dport 15353 -j DNAT --to-destination DB:5353",
              ("outside -> db:5353/udp",),
              rules("-t nat -I PREROUTING -p udp --dport 15353 -j DNAT --to-destination {db}:5353",
                    "-I DOCKER-USER -d {db} -m conntrack --ctstate DNAT -j ACCEPT")),
    Tampering("a process of the engine's left over", "docker-proxy -host-port 13306 -container-ip DB -container-port 3306",
              ("outside -> db:3306", "guest -> db:3306"), engines_proxy),
    Tampering("a port of a neighbour led to the database", "in proxy: iptables -t nat -I PREROUTING --dport 13306 -j DNAT --to-destination DB:3306",
              ("guest -> db:3306",),
              all_of(sysctl_within("proxy", "net/ipv4/ip_forward", "1"),
                     filtered_within("proxy", "-t nat -I PREROUTING -p tcp --dport 13306 -j DNAT --to-destination {db}:3306",
                                     "-t nat -I POSTROUTING -d {db} -j MASQUERADE"))),
    Tampering("another gateway", "in guest: ip route replace default via PROXY; in proxy: iptables -t nat -j MASQUERADE",
              ("guest -> db:3306", "guest -> db:5353/udp"), another_gateway),
    Tampering("two bridges joined by a cable", "ip link add type veth, one end on each bridge; in guest: ip addr add an address of back's",
              ("guest -> db:3306", "guest -> db:5353/udp"), all_of(BRIDGES_JOINED, alias("guest", "back"))),
    Tampering("two bridges joined, with the packet filter off for bridges", "the same cable; sysctl bridge-nf-call-iptables=0; in guest: a route",
              ("guest -> db:3306", "guest -> db:5353/udp"),
              all_of(BRIDGES_JOINED, sysctl("net/bridge/bridge-nf-call-iptables", "0"),
                     within("guest", "ip route add {back} dev eth0", "ip route del {back} dev eth0"))),
    Tampering("a link moved to the other bridge", "ip link set VETH_OF_GUEST master BACK_BRIDGE; in guest: ip addr add",
              ("guest -> db:3306", "guest -> db:5353/udp"), moved_link),
    Tampering("a cable between two containers", "ip link add type veth, one end in guest, one in db, with addresses",
              ("guest -> db:3306", "guest -> db:5353/udp", "db -> guest:7000"), joined(("guest", "10.99.9.1/30"), ("db", "10.99.9.2/30"))),
    Tampering("a cable between two containers over IPv6", "the same with IPv6 addresses",
              ("guest -> db:*/udp over IPv6",),
              all_of(joined(("guest", ""), ("db", "")),
                     sysctl_within("guest", "net/ipv6/conf/hand0/disable_ipv6", "0"),
                     sysctl_within("db", "net/ipv6/conf/hand1/disable_ipv6", "0"),
                     within("guest", "ip -6 addr add fd5c:c105:9::1/64 dev hand0 nodad", "true"),
                     within("db", "ip -6 addr add fd5c:c105:9::2/64 dev hand1 nodad", "true"))),
    Tampering("a cable without addresses", "ip link add type veth, one end in guest, one in db", (),
              joined(("guest", ""), ("db", "")), word="unknown", verdict="unproven", says="hand1"),
    Tampering("a cable to the host", "ip link add type veth, one end in db, with addresses", (),
              joined(("db", "10.99.9.1/30"), ("", "10.99.9.2/30")), word="unknown", verdict="unproven",
              says="holds 10.99.9.1 on hand0, which the engine does not know"),
    Tampering("a tunnel", "in db: ip tuntap add; ip addr add", (), tunnel, word="unknown", verdict="unproven",
              says="holds 10.99.9.1 on hand0, which the engine does not know"),
    Tampering("an address that the engine did not give", "in db: ip addr add an address of back's",
              (), alias("db", "back", 201), word="unknown", verdict="unproven", says="which the engine does not know"),
    Tampering("echo requests", "iptables -I DOCKER-USER -p icmp -j ACCEPT", (), rules("-I DOCKER-USER -p icmp -j ACCEPT"),
              word="holds", verdict="proven", says="ICMP: echo requests of outside get to db, TCP and UDP do not"),
    Tampering("a relay in a neighbour", "in proxy: a process that leads port 13306 to db:3306", ("guest -> proxy:13306",), relay("proxy"),
              word="tolerated", verdict="proven"),
    Tampering("a relay on the host", "a process that leads port 13306 of the host to db:3306", ("guest -> host:13306",), relay(""),
              word="tolerated", verdict="proven"),
    Tampering("a process that listens in the database's namespace", "nsenter --target DB --net", ("app -> db:9999", "proxy -> db:9999"),
              listening_within, word="tolerated", verdict="proven"),
)  # fmt: skip
