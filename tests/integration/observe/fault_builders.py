"""Builders of injected faults: each value says how to make the fault, and what a proof must find meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from tests.integration.compose_project import IMAGE, docker
from tests.integration.observe import host_changes
from tests.integration.observe.host_changes import (
    RunningProject,
    done,
    named_namespace,
    python,
    restored_tables,
    run,
    setting,
    veth_pair,
)

WORD = re.compile(r"\{(\w+)\}")
TRANSLATED = "-m conntrack --ctstate DNAT -j ACCEPT"
Inject = Callable[[RunningProject], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """Something done to a running project, and what a proof must say.

    `doors`, with commas between them, must be found as `word`; with `only`, no others may be.
    """

    name: str
    how: str
    flows_named: str
    make: Inject
    word: Literal["drift", "file", "broken", "unknown", "tolerated", "holds"] = "drift"
    verdict: Literal["breached", "unproven", "proven"] = "breached"
    only: bool = False
    says: str = ""
    """A text that the proof contains, in a reason, a note or a skipped part."""

    @property
    def expected_flows(self) -> list[str]:
        """The expected flows, one by one."""
        return [flow for flow in self.flows_named.split(", ") if flow]


def by_iptables(name: str, *templates: str, flows_named: str, **more: Any) -> InjectedFault:
    """Return what rules of iptables do; how it is done is what they say."""
    return InjectedFault(name, _as_command(templates), flows_named, rules(*templates), **more)


def by_table_rewrite(name: str, *templates: str, flows_named: str, **more: Any) -> InjectedFault:
    """Return what changes of the packet filter do that only a copy of it brings back."""
    return InjectedFault(name, _as_command(templates), flows_named, changed(*templates), **more)


def _as_command(templates: Iterable[str]) -> str:
    return "; ".join(WORD.sub(lambda word: word[1].upper(), f"iptables {template}") for template in templates)


def rules(*templates: str, program: str = "iptables") -> Inject:
    """Have rules in the host's packet filter, each written as the program takes it; see Walls for the words."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        with ExitStack() as stack:
            for template in templates:
                words = template.format_map(running_project)
                undone = words.replace("-I ", "-D ").replace("-A ", "-D ")
                wait = ("--concurrent",) if program == "ebtables" else ("--wait",)
                stack.enter_context(done((program, *wait, *words.split()), (program, *wait, *undone.split())))
            yield

    return made


def by_nft(name: str, rule: str, tables: str = "", *, flows_named: str, **more: Any) -> InjectedFault:
    """Return what a table of nftables does with a rule that translates to DB, which the engine's rules let pass."""
    sets = f"{tables} " if tables else ""
    text = (
        f"table ip mynat {{ {sets}chain pre {{ type nat hook prerouting priority -110; {rule}; }}; "
        "chain post { type nat hook postrouting priority 90; ct status dnat ip daddr DB masquerade; }; }"
    )
    accepted = [f"-I DOCKER-USER {end} {{db}} {TRANSLATED}" for end in ("-d", "-s")]
    how = f"nft '{text}'; {_as_command(accepted)}"
    return InjectedFault(name, how, flows_named, all_of(rules(*accepted), nft_table(text)), **more)


def nft_table(text: str) -> Inject:
    """Have the table `mynat` of nftables on the host, in which DB is the database."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        run("nft", "-f", "-", given=text.replace("DB", running_project["db"]))
        try:
            yield
        finally:
            run("nft", "delete", "table", "ip", "mynat")

    return made


def changed(*templates: str) -> Inject:
    """Have the host's packet filter changed in ways that only a copy of it brings back."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        with restored_tables():
            for template in templates:
                run("iptables", "--wait", *template.format_map(running_project).split())
            yield

    return made


def commands(*pairs: tuple[str, str]) -> Inject:
    """Have commands of the host run, and taken back by their counterparts in reverse."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        with ExitStack() as stack:
            for do, undo in pairs:
                stack.enter_context(
                    done(
                        tuple(do.format_map(running_project).split()), tuple(undo.format_map(running_project).split())
                    ),
                )
            yield

    return made


def all_of(*makes: Inject) -> Inject:
    """Have several things done together."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        with ExitStack() as stack:
            for make in makes:
                stack.enter_context(make(running_project))
            yield

    return made


def in_namespace(service: str, do: str, undo: str) -> Inject:
    """Have a command run in the namespace of a service, and another afterwards."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        running_project.in_namespace(service, *do.format_map(running_project).split())
        try:
            yield
        finally:
            running_project.in_namespace(service, *undo.format_map(running_project).split())

    return made


def filter_in_namespace(service: str, *templates: str) -> Inject:
    """Have rules in the packet filter of a service's own namespace."""
    return lambda running_project: host_changes.rules_in_namespace(
        running_project, service, *(text.format_map(running_project) for text in templates)
    )


def connected_by_veth(*ends: tuple[str, str]) -> Inject:
    """Connect two places by a veth pair."""
    return lambda running_project: veth_pair(running_project, *ends)


@contextmanager
def second_network(running_project: RunningProject) -> Iterator[None]:
    network, container = running_project.network("front"), running_project.container("db")
    with done(
        ("docker", "network", "connect", network, container), ("docker", "network", "disconnect", network, container)
    ):
        yield


@contextmanager
def second_network_over_ipv6(running_project: RunningProject) -> Iterator[None]:
    name = f"{running_project.lab.name}_six"
    docker("network", "create", "--ipv6", "--subnet", "fd5c:c10:5::/64", name)
    try:
        with ExitStack() as stack:
            for container in (running_project.container("db"), running_project.container("guest")):
                docker("network", "connect", name, container)
                stack.callback(docker, "network", "disconnect", name, container)
            yield
    finally:
        docker("network", "rm", name)


def foreign_container(network: str) -> Inject:
    """Have a container of another project near: on a network, or in a container's namespace."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        name = f"{running_project.lab.name}-stranger"
        where = (
            f"container:{running_project.container(network)}" if network == "db" else running_project.network(network)
        )
        docker("run", "--detach", "--rm", "--name", name, "--network", where, "--entrypoint", "sleep", IMAGE, "600")
        try:
            yield
        finally:
            docker("rm", "--force", name)

    return made


@contextmanager
def published_outside_compose(running_project: RunningProject) -> Iterator[None]:
    lab = running_project.lab
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


def relay(service: str) -> Inject:
    """Run a process that relays connections to the database, in a service's namespace or on the host."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        code = host_changes.RELAYING.format(port=13306, address=running_project["db"], target=3306)
        with host_changes.process(*python(code, running_project if service else None, service)):
            yield

    return made


@contextmanager
def docker_proxy(running_project: RunningProject) -> Iterator[None]:
    """Run a left-over docker-proxy, which relays a port of the host."""
    words = "docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 13306 -container-port 3306 -container-ip"
    # It says on descriptor 3, which the engine gives it, that it listens.
    with host_changes.process("sh", "-c", f"exec {words} {running_project['db']} 3>&1", says="0"):
        yield


@contextmanager
def docker_proxy_elsewhere(running_project: RunningProject) -> Iterator[None]:
    """Run the docker-proxy of another engine, in a network namespace of its own."""
    words = "docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 13306 -container-port 3306 -container-ip"
    with host_changes.process("unshare", "--net", "sh", "-c", f"exec {words} {running_project['db']} 3>&1", says="0"):
        yield


@contextmanager
def listener_in_namespace(running_project: RunningProject) -> Iterator[None]:
    with host_changes.process(*python(host_changes.LISTENING.format(port=9999), running_project, "db")):
        yield


@contextmanager
def another_gateway(running_project: RunningProject) -> Iterator[None]:
    """Have the guest send everything through the proxy, which forwards in its own name."""
    before = running_project.in_namespace("guest", "ip", "route", "show", "default").split()
    with (
        setting("net/ipv4/ip_forward", "1", running_project, "proxy"),
        host_changes.rules_in_namespace(
            running_project, "proxy", f"-t nat -I POSTROUTING -d {running_project['db']} -j MASQUERADE"
        ),
    ):
        running_project.in_namespace(
            "guest", "ip", "route", "replace", "default", "via", running_project["proxy_front"]
        )
        try:
            yield
        finally:
            running_project.in_namespace("guest", "ip", "route", "replace", *before)


def sysctl(path: str, value: str) -> Inject:
    """Have a setting of the host's kernel."""
    return lambda _project: setting(path, value)


def sysctl_in_namespace(service: str, path: str, value: str) -> Inject:
    """Have a setting of the kernel's in the namespace of a service."""
    return lambda running_project: setting(path, value, running_project, service)


@contextmanager
def tunnel(running_project: RunningProject) -> Iterator[None]:
    """Make a tun interface in the database's namespace, as a VPN does."""
    for words in ("tuntap add hand0 mode tun", "addr add 10.99.9.1/30 dev hand0", "link set hand0 up"):
        running_project.in_namespace("db", "ip", *words.split())
    try:
        yield
    finally:
        running_project.in_namespace("db", "ip", "link", "del", "hand0")


@contextmanager
def moved_interface(running_project: RunningProject) -> Iterator[None]:
    """Attach the host end of the guest's veth pair to the other bridge, with an address there."""
    end = running_project.host_interface("guest")
    back, front = (
        ("ip", "link", "set", end, "master", running_project[bridge]) for bridge in ("back_bridge", "front_bridge")
    )
    with done(back, front), alias("guest", "back")(running_project):
        yield


def alias(service: str, network: str, number: int = 200) -> Inject:
    """Have an address of a network's on a service that the engine did not give it."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        address = running_project.spare(network, number)
        link = running_project.link(service)
        with in_namespace(service, f"ip addr add {address} dev {link}", f"ip addr del {address} dev {link}")(
            running_project
        ):
            yield

    return made


def member_namespace(kind: str) -> Inject:
    """Connect a network namespace to the network `back` by hand, by a veth pair or a macvlan."""

    @contextmanager
    def made(running_project: RunningProject) -> Iterator[None]:
        name = f"{running_project.lab.name}-netns"
        bridge, address = running_project["back_bridge"], running_project.spare("back", 210)
        connect = {
            "veth": [f"link add hand0 type veth peer name eth0 netns {name}", f"link set hand0 master {bridge} up"],
            "macvlan": [f"link add link {bridge} name eth0 netns {name} type macvlan mode bridge"],
        }
        inside = ("link set lo up", "link set eth0 up", f"addr add {address} dev eth0")
        with named_namespace(name):
            for command in [*connect[kind], *(f"-n {name} {text}" for text in inside)]:
                run("ip", *command.split())
            yield

    return made
