"""Worlds that nobody thought of: a few services on any networks, on an engine that did as the file says or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st
from tests.core.world import World, container, stranger

from cloison.model import Container, EngineFacts, Facts, Listener, NetworkFacts, Protocol, Publication
from cloison.outcome import REACH, observation

NAMES: Final = ("a", "b", "c")
NETWORKS: Final = ("n1", "n2", "n3")
PLACES: Final = (*NAMES, "host", "outside", "*")
SEATS: Final = st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=3, unique=True)
MODES: Final = st.sampled_from([None, None, None, None, "host", "none", "service:a"])
SEEN: Final = [observation(outcome, watched=watched, evidence="drawn") for outcome, watched in REACH]


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a Compose file."""
    services = {name: draw(_bodies(name)) for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))}
    for body in [*services.values()]:
        if body["network_mode"] == "service:a":
            # A side-car cannot start without its owner.
            services.setdefault("a", draw(_bodies("a")))["scale"] = 1
        if body["network_mode"]:
            body |= {"networks": None, "ports": None}
    networks = {key: {"name": f"shop_{key}", "internal": draw(st.booleans())} for key in NETWORKS}
    return {"name": "shop", "services": services, "networks": networks}


@st.composite
def _bodies(draw: st.DrawFn, name: str) -> dict[str, Any]:
    published = {"target": 80, "published": str(8080 + NAMES.index(name))}
    return {
        "network_mode": draw(MODES if name != "a" else st.none()),
        "networks": dict.fromkeys(draw(SEATS)),
        "ports": draw(st.sampled_from([[], [published]])),
        "scale": draw(st.integers(0, 2)),
    }


def sound(file: Mapping[str, Any], version: str = "20.10.24") -> World:
    """Return the world of an engine that did exactly what the file says."""
    containers = [
        _container(file, name, number)
        for name, body in file["services"].items()
        for number in range(1, body["scale"] + 1)
    ]
    networks = tuple(
        NetworkFacts(body["name"], internal=body["internal"], subnets=(f"172.30.{i}.0/24",))
        for i, body in enumerate(file["networks"].values())
    )
    addresses = ("127.0.0.1", "192.0.2.10", *(f"172.30.{i}.1" for i in range(len(networks))))
    listeners = frozenset(Listener(c.name, Protocol.TCP, "0.0.0.0", 80) for c in containers if c.attachments)
    facts = Facts(
        EngineFacts("docker", version, "DROP"), tuple(containers), networks, addresses, "198.51.100.2", listeners
    )
    return World(file, facts)


def _container(file: Mapping[str, Any], name: str, number: int) -> Container:
    body = file["services"][name]
    mode = body["network_mode"] or ""
    seats = [(f"shop_{key}", _address(key, name, number)) for key in body["networks"] or ()]
    ways_out = [key for key in body["networks"] or () if not file["networks"][key]["internal"]]
    doors = [Publication("0.0.0.0", int(p["published"]), Protocol.TCP, 80) for p in body["ports"] or () if ways_out]
    return container(
        name,
        *seats,
        number=number,
        network_mode=mode.replace("service:a", "container:id-of-a-1"),
        publications=tuple(doors),
    )


def _address(key: str, name: str, number: int) -> str:
    return f"172.30.{NETWORKS.index(key)}.{10 * (NAMES.index(name) + 1) + number}"


@st.composite
def disturbed(draw: st.DrawFn) -> World:
    """Draw a world to which somebody did something by hand."""
    world = sound(draw(files()), draw(st.sampled_from(["20.10.24", "28.0.1", ""])))
    for name in [c.name for c in world.facts.containers]:
        if draw(st.integers(0, 5)) == 0:
            world = world.stopped(name)
    running = [c for c in world.facts.containers if c.pid]
    for key in draw(st.lists(st.sampled_from(NETWORKS), max_size=2, unique=True)):
        address = f"172.30.{NETWORKS.index(key)}.200"
        world = world.running(stranger(f"spy-{key}", (f"shop_{key}", address)))
    for moved in draw(st.lists(st.sampled_from(running), max_size=1)) if running else ():
        key = draw(st.sampled_from(NETWORKS))
        held = {seat.network for seat in moved.attachments}
        if f"shop_{key}" in held:
            world = world.left(moved.name, f"shop_{key}")
        else:
            world = world.joined(moved.name, f"shop_{key}", f"172.30.{NETWORKS.index(key)}.100")
    for key in draw(st.lists(st.sampled_from(NETWORKS), max_size=1)):
        world = world.made(f"shop_{key}", internal=draw(st.booleans()))
    return world


@st.composite
def policies(draw: st.DrawFn, file: Mapping[str, Any]) -> dict[str, Any]:
    """Draw a policy about the places of a file."""
    places = [place for place in PLACES if place in file["services"] or place not in NAMES]
    arrows = st.builds("{} -> {}{}".format, *[st.sampled_from(places)] * 2, st.sampled_from(["", ":80"]))
    by_flow = arrows.map(lambda arrow: {"flow": arrow, "why": "known"})
    by_network = st.sampled_from(NETWORKS).map(lambda key: {"network": key, "why": "known"})
    return {
        "allow": draw(st.lists(arrows, max_size=4)),
        "tolerate": draw(st.lists(by_flow | by_network, max_size=4)),
    }


SURPRISES: Final = st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(SEEN)), max_size=3)
