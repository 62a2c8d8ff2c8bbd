"""What can be done to a running project, as values: each says how, and what must be found while it is done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from tests.integration.compose_project import IMAGE, docker
from tests.integration.observe import host_changes
from tests.integration.observe.host_changes import Walls, cable, done, python, run, setting, tables_as_they_were

WORD = re.compile(r"\{(\w+)\}")
Make = Callable[[Walls], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Tampering:
    """Something done to a running project, and what a proof must say.

    `doors`, with commas between them, must be found as `word`; with `only`, no others may be.
    """

    name: str
    how: str
    doors: str
    make: Make
    word: Literal["drift", "file", "broken", "unknown", "tolerated", "holds"] = "drift"
    verdict: Literal["breached", "unproven", "proven"] = "breached"
    only: bool = False
    says: str = ""
    """What stands somewhere in the proof, in a reason, a note or what was skipped."""

    @property
    def wanted(self) -> list[str]:
        """The doors, one by one."""
        return [door for door in self.doors.split(", ") if door]


def ruled(name: str, *templates: str, doors: str, **more: Any) -> Tampering:
    """Return what rules of iptables do; how it is done is what they say."""
    return Tampering(name, _spelled(templates), doors, rules(*templates), **more)


def rewritten(name: str, *templates: str, doors: str, **more: Any) -> Tampering:
    """Return what changes of the packet filter do that only a copy of it brings back."""
    return Tampering(name, _spelled(templates), doors, changed(*templates), **more)


def _spelled(templates: Iterable[str]) -> str:
    return "; ".join(WORD.sub(lambda word: word[1].upper(), f"iptables {template}") for template in templates)


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
    return lambda walls: host_changes.rules_within(walls, service, *(text.format_map(walls) for text in templates))


def joined(*ends: tuple[str, str]) -> Make:
    """Have two places joined by a cable of their own."""
    return lambda walls: cable(walls, *ends)


@contextmanager
def second_seat(walls: Walls) -> Iterator[None]:
    network, container = walls.network("front"), walls.container("db")
    with done(
        ("docker", "network", "connect", network, container), ("docker", "network", "disconnect", network, container)
    ):
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
        code = host_changes.RELAYING.format(port=13306, address=walls["db"], target=3306)
        with host_changes.process(*python(code, walls if service else None, service)):
            yield

    return made


@contextmanager
def engines_proxy(walls: Walls) -> Iterator[None]:
    """Have a process of the engine's own left over: it leads a port of the host's on."""
    words = "docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 13306 -container-port 3306 -container-ip"
    # It says on descriptor 3, which the engine gives it, that it listens.
    with host_changes.process("sh", "-c", f"exec {words} {walls['db']} 3>&1", says="0"):
        yield


@contextmanager
def listening_within(walls: Walls) -> Iterator[None]:
    with host_changes.process(*python(host_changes.LISTENING.format(port=9999), walls, "db")):
        yield


@contextmanager
def another_gateway(walls: Walls) -> Iterator[None]:
    """Have the guest send everything through the proxy, which forwards in its own name."""
    before = walls.within("guest", "ip", "route", "show", "default").split()
    with (
        setting("net/ipv4/ip_forward", "1", walls, "proxy"),
        host_changes.rules_within(walls, "proxy", f"-t nat -I POSTROUTING -d {walls['db']} -j MASQUERADE"),
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
        link = walls.link(service)
        with within(service, f"ip addr add {address} dev {link}", f"ip addr del {address} dev {link}")(walls):
            yield

    return made
