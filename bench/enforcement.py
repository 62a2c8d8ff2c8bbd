"""Benchmarks of enforcement: what it costs a packet, a request and a change, in turns with the same path unenforced.

A round is one measurement of each side, one after the other, and the ratio is that of the medians: a load of the
machine meets both sides. The packets of the growing policies never leave two namespaces that a third one bridges.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import scale
from bench.chart import LineChart, render_svg
from bench.measure import ROOT, Figure, run, say, seconds
from bench.page_load import load
from cloison.compose.project import project as read_project
from cloison.enforce.layout import Bridge, BridgePort, Layout
from cloison.enforce.openings import Opening, Way
from cloison.enforce.ruleset import ruleset
from cloison.engine import compose_cli
from cloison.engine.compose_cli import Selection
from cloison.linux import libnftables, netns, pyroute
from cloison.observe.external_host import external_host
from cloison.workflow import enforcement

ROUNDS: Final = 7
ROUND_SECONDS: Final = 2
DATAGRAMS: Final = 20_000
DATAGRAM: Final = bytes(64)
PORT: Final = 5201
"""The port of iperf3."""
PUBLISHED: Final = 18092
LOSS: Final = 0.98
"""The share of the unenforced rate that is left at least."""
SERVICES: Final = (3, 10, 30, 100, 300, 1000)
PAIRS_A_SERVICE: Final = 3
"""Connections that a policy of the curve allows each service."""
SIZES: Final = (3, 40, 100)
"""Containers of the projects that are enforced."""
SERVICES_OF_TRANSACTION: Final = 500
"""Services of a policy whose rules have over 5,000 elements."""
PICTURE: Final = ROOT / "docs" / "images" / "enforcement.svg"
SUBNET: Final = "10.210.{}.{}"
Measure = Callable[[], float]


def figures(port: int) -> Iterator[Figure]:
    """Measure everything; the stack of the benchmarks answers at `port`."""
    yield from _paths()
    yield from _stack(port)
    yield from _curve()
    yield from _changes()


def in_turns(measure: Measure, *sides: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Return the median of a measurement for each side; a side is a function that brings it about."""
    found: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, values in zip(sides, found, strict=True):
            side()
            values.append(measure())
    return [statistics.median(values) for values in found]


# ── one connection of a real project ────────────────────────────────────────────────────────────────────────


def _document() -> dict[str, Any]:
    service = {"image": scale.IMAGE, "stop_grace_period": "0s", "networks": ["one"]}
    return {
        "name": "cloison-cost",
        "services": {"client": service, "server": service | {"ports": [f"{PUBLISHED}:{PORT}"]}},
        "networks": {"one": {}},
        "x-cloison": {"allow": [f"client -> server:{PORT}", f"outside -> server:{PORT}"]},
    }


@contextmanager
def _project(document: Mapping[str, Any]) -> Iterator[Path]:
    """Run a project during the block; yield its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "compose.json"
        path.write_text(json.dumps(document))
        compose = ("docker", "compose", "-f", str(path))
        try:
            subprocess.run([*compose, "up", "-d"], check=True, capture_output=True)
            yield path
        finally:
            subprocess.run([*compose, "down", "-t", "0"], check=False, capture_output=True)


@contextmanager
def _switches(path: Path) -> Iterator[tuple[Callable[[], object], Callable[[], object]]]:
    """Yield the functions that take enforcement away from a project, and that bring it back."""
    project = read_project(compose_cli.resolved(Selection(files=(str(path),))))
    with enforcement.enforcer(project) as enforcer:

        def enforce() -> None:
            enforcer.forget()
            enforcer.apply()

        try:
            yield lambda: enforcement.off(project.name), enforce
        finally:
            enforcement.off(project.name)


def _paths() -> Iterator[Figure]:
    """Measure a connection inside a bridge, and one from outside to a published port."""
    say("connections of an enforced project, in turns with the unenforced one")
    with ExitStack() as stack:
        stack.enter_context(scale.image())
        path = stack.enter_context(_project(_document()))
        namespaces = {name: _namespace(stack, f"cloison-cost-{name}-1") for name in ("client", "server")}
        external = stack.enter_context(external_host())
        stack.enter_context(_server(namespaces["server"]))
        off, enforce = stack.enter_context(_switches(path))
        address = run("docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
                      "cloison-cost-server-1").strip()  # fmt: skip
        ends = {
            "inside a bridge": (namespaces["client"], address, PORT),
            "from outside to a published port": (external.descriptor, external.host_addresses[0], PUBLISHED),
        }
        for name, (namespace, target, port) in ends.items():
            free, enforced = in_turns(lambda: _throughput(namespace, target, port), off, enforce)  # noqa: B023
            what = f"throughput {name}, enforced ÷ unenforced"
            yield Figure(what, f"{enforced / 1e9:.1f} Gbit/s", f"{free / 1e9:.1f} Gbit/s", enforced / free, LOSS)


def _namespace(stack: ExitStack, container: str) -> int:
    pid = int(run("docker", "inspect", "-f", "{{.State.Pid}}", container))
    descriptor = netns.of_process(pid)
    stack.callback(os.close, descriptor)
    return descriptor


@contextmanager
def _server(namespace: int) -> Iterator[None]:
    """Run the server of iperf3 in a namespace during the block."""
    with netns.inside(namespace):
        server = subprocess.Popen(["iperf3", "-s", "-p", str(PORT), "--forceflush"], stdout=subprocess.PIPE, text=True)
    try:
        for line in server.stdout or ():
            if "listening" in line:
                break
        yield
    finally:
        server.kill()
        server.communicate()


def _throughput(namespace: int, address: str, port: int, *options: str) -> float:
    """Return the bits a second that arrive."""
    return float(_iperf(namespace, address, port, *options)["sum_received"]["bits_per_second"])


def _iperf(namespace: int, address: str, port: int, *options: str) -> Any:
    words = ["iperf3", "-J", "-c", address, "-p", str(port), "-t", str(ROUND_SECONDS), *options]
    with netns.inside(namespace):
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    found = json.loads(done.stdout)
    if "error" in found:
        raise SystemExit(f"{' '.join(words)}: {found['error']}")
    return found["end"]


def _stack(port: int) -> Iterator[Figure]:
    """Measure the login page of the stack: the connections of every request pass three services."""
    say("requests through the enforced stack")
    latencies: dict[str, list[float]] = {"off": [], "on": []}
    state = ""

    def measure() -> float:
        found = load(f"http://127.0.0.1:{port}/login")
        latencies[state].append(found.p99)
        return found.rate

    with _switches(ROOT / "compose.yml") as switches:

        def switch(number: int, name: str) -> Callable[[], object]:
            def change() -> None:
                nonlocal state
                state = name
                switches[number]()

            return change

        free, enforced = in_turns(measure, switch(0, "off"), switch(1, "on"), rounds=3)
    yield Figure("requests a second through the stack, enforced ÷ unenforced", f"{enforced:.0f}/s", f"{free:.0f}/s",
                 enforced / free, LOSS)  # fmt: skip
    ours, others = (statistics.median(latencies[name]) for name in ("on", "off"))
    yield Figure("p99 of these requests, enforced ÷ unenforced (lower is better)", f"{ours:.1f} ms",
                 f"{others:.1f} ms", ours / others)  # fmt: skip


# ── packets under a policy that grows ───────────────────────────────────────────────────────────────────────


def _curve() -> Iterator[Figure]:
    """Measure small packets under policies of more and more services: ours and a chain with a rule for each pair."""
    say(f"small packets under policies of {SERVICES[0]} to {SERVICES[-1]} services")
    ours, chain = [], []
    with _bridged() as place:
        for number in SERVICES:
            layout, openings = _policy(number, place.ports)
            texts = "", ruleset(layout, openings, enforcement.features()), _chain(openings)
            sides = [place.rules(text) for text in texts]
            free, with_sets, with_rules = in_turns(lambda: _packet_nanoseconds(place), *sides)
            say(f"  {number} services: {free:.0f} ns a packet without rules, {with_sets:.0f} ns, {with_rules:.0f} ns")
            ours.append((float(number), with_sets))
            chain.append((float(number), with_rules))
    PICTURE.write_text(
        render_svg(
            LineChart(
                "Processor time of a small packet inside a bridge, by the size of the policy",
                "services",
                "nanoseconds",
                {"sets (enforced)": ours, "a rule for each pair": chain},
            )
        )
    )
    first, last = ours[0][1], ours[-1][1]
    yield Figure(f"processor time of a packet, {SERVICES[-1]} services ÷ {SERVICES[0]} (1: flat)", f"{last:.0f} ns",
                 f"{first:.0f} ns", last / first, 1.1, at_most=True)  # fmt: skip
    yield Figure(f"a chain with a rule for each pair ÷ sets, {SERVICES[-1]} services", f"{last:.0f} ns a packet",
                 f"{chain[-1][1]:.0f} ns", chain[-1][1] / last, 1)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Bridged:
    """Two namespaces, and a third one that bridges them."""

    middle: int
    client: int
    ports: Sequence[BridgePort]

    def rules(self, text: str) -> Callable[[], None]:
        """Return the function that replaces the rules of the bridge by a text."""

        def load_rules() -> None:
            with netns.inside(self.middle):
                libnftables.run(f"flush ruleset\n{text}")

        return load_rules


@contextmanager
def _bridged() -> Iterator[_Bridged]:
    """Make the namespaces; they are gone when the block ends."""
    with ExitStack() as stack:
        middle, *ends = (netns.new() for _ in range(3))
        for descriptor in (middle, *ends):
            stack.callback(os.close, descriptor)
        ports = []
        with netns.inside(middle), pyroute.iproute() as route:
            route.link("add", ifname="br0", kind="bridge")
            route.link("set", index=(bridge := route.link_lookup(ifname="br0")[0]), state="up")
            for number, end in enumerate(ends):
                name = _name(number)
                route.link("add", ifname=name, kind="veth", peer={"ifname": "eth0", "net_ns_fd": end})
                route.link("set", index=route.link_lookup(ifname=name)[0], master=bridge, state="up")
        for number, end in enumerate(ends):
            with netns.inside(end), pyroute.iproute() as route:
                index = route.link_lookup(ifname="eth0")[0]
                route.addr("add", index=index, address=_address(number), prefixlen=16)
                route.link("set", index=index, state="up")
                route.link("set", index=route.link_lookup(ifname="lo")[0], state="up")
                mac = route.get_links(index)[0].get_attr("IFLA_ADDRESS")
                ports.append(
                    BridgePort("br0", _name(number), mac, (_address(number),), (_name(number),), _name(number))
                )
        with netns.inside(ends[1]):  # without a receiver each datagram would cause an error of ICMP
            receiver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        receiver.bind((_address(1), PORT))
        yield _Bridged(middle, ends[0], ports)


def _name(number: int) -> str:
    return f"veth{number}"


def _address(number: int) -> str:
    return SUBNET.format(number // 250, number % 250 + 1)


def _port(number: int, mac_address: str) -> BridgePort:
    return BridgePort("br0", _name(number), mac_address, (_address(number),), (_name(number),), _name(number))


def _policy(services: int, ports: Sequence[BridgePort]) -> tuple[Layout, list[Opening]]:
    """Return a layout and what a policy opens on it; the pair that is measured is the last one."""
    others = [_port(n, f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}") for n in range(len(ports), services)]
    members = [*ports, *others]
    layout = Layout("bench", (Bridge("br0", "one", ("10.210.0.0/16",), (), "02:00:00:ff:ff:ff"),), tuple(members))
    openings = [
        Opening(Way.BETWEEN, source, members[(at + step) % services], "tcp", PORT, 0, f"{source.name} -> {step}")
        for at, source in enumerate(members)
        for step in range(1, min(PAIRS_A_SERVICE, services - 1) + 1)
    ]
    measured = [Opening(Way.BETWEEN, ports[0], ports[1], kind, PORT, 0, "the measured pair") for kind in ("tcp", "udp")]
    ends = ports[0], ports[1]
    return layout, [*(o for o in openings if (o.source, o.target) != ends), *measured]


def _chain(openings: Sequence[Opening]) -> str:
    """Return one chain with a rule for each pair and direction, as tools do that write a rule for each connection."""
    rules = [
        f"iifname {a.name} oifname {b.name} meta l4proto {opening.protocol} accept"
        for opening in openings
        if opening.source and opening.target
        for a, b in ((opening.source, opening.target), (opening.target, opening.source))
    ]
    lines = "\n".join(["type filter hook forward priority 0;", "ether type arp accept", *rules, "counter drop"])
    return f"table bridge pairs {{\n  chain forward {{\n{lines}\n  }}\n}}\n"


def _packet_nanoseconds(place: _Bridged) -> float:
    """Return the processor time of a datagram: the kernel carries it to its end before the sender goes on."""
    with netns.inside(place.client), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((_address(1), PORT))
        sender.send(b"")  # its neighbor is known from here on
        begun = time.thread_time_ns()
        for _ in range(DATAGRAMS):
            sender.send(DATAGRAM)
        return (time.thread_time_ns() - begun) / DATAGRAMS


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────────────


def _changes() -> Iterator[Figure]:
    """Measure how long it takes to enforce running projects, and to load a large transaction."""
    say("enforcing projects of several sizes")
    with scale.image():
        for size in SIZES:
            allow = [f"s{n:03} -> s{n + 1:03}:{scale.PORT}" for n in range(size - 1) if (n + 1) % 5]
            document = scale.document(size) | {"x-cloison": {"allow": allow}}
            with _project(document) as path, _switches(path) as (off, enforce):
                (taken,) = in_turns(lambda: seconds(enforce), off, rounds=5)
            yield Figure(f"1 s ÷ enforcing {size} containers", f"{1000 * taken:.0f} ms", "1 s", 1 / taken, 1)
    with _bridged() as place:
        text = ruleset(*_policy(SERVICES_OF_TRANSACTION, place.ports), enforcement.features())
        elements = sum(line.startswith("      ") for line in text.splitlines())
        (taken,) = in_turns(lambda: seconds(place.rules(text)), place.rules(""), rounds=5)
    yield Figure(f"1 s ÷ a transaction with {elements} elements", f"{1000 * taken:.0f} ms", "1 s", 1 / taken, 1)
