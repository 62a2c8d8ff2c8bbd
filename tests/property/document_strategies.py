"""Generated Compose documents: nearly valid ones, their mutants, and any JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

Document = dict[str, Any]

NAMES: Final = ("app", "db", "proxy", "a.b", "x_1", "0")
KEYS: Final = ("back", "front", "default", "bridge", "yes")
WRONG: Final = (
    "80-83/foo",
    "83-80",
    "99999",
    "1-2-3",
    "10.0.0.0/33",
    "lo",
    "service:",
    "service:gone",
    "net",
    "a -> db:80",
)
ODD: Final = (
    "",
    " ",
    "host",
    "outside",
    "*",
    "é",
    "😀",
    "\x7f",
    "\u2028",
    "\ud800",
    "a\nb",
    "\x1b[31m",
    "٣",
    "-1",
    "a" * 200,
    *WRONG,
)
"""Unusual names and texts."""
WORDS: Final = st.sampled_from([*NAMES, *KEYS, *ODD]) | st.text(max_size=6)
ODD_NUMBERS: Final = (0, 1, 80, 65536, -1, 10**9, 2**53, 2**64, 10**30, 0.5, -0.0, 1e300, float("inf"), float("nan"))
DEEP: Final = (3, 100, 900)
"""The depth of a nested list; Python's JSON parser fails at about a thousand."""
ADDRESSES: Final = st.sampled_from(
    ["", "0.0.0.0", "127.0.0.1", "127.1.2.3", "192.0.2.1", "198.18.0.1", "198.51.100.1", "::", "::1", "fe80::1%lo"]
)
SUBNETS: Final = st.sampled_from(
    ["198.18.0.0/24", "198.18.0.7/24", "fd00::/64", "10.0.0.0/33", "10.0.0.1", "0.0.0.0/0", ""]
)
RANGES: Final = st.sampled_from(["80", "80/udp", "80/sctp", "80-83", "80/TCP", "1024-1030"])
BRIDGE: Final = "com.docker.network.bridge."


def nest(depth: int) -> Any:
    """Return a list in a list in a list."""
    body: Any = []
    for _ in range(depth):
        body = [body]
    return body


SCALARS: Final = st.none() | st.booleans() | st.sampled_from(ODD_NUMBERS) | st.integers() | st.floats() | WORDS
JSON: Final = st.recursive(
    SCALARS | st.sampled_from(DEEP).map(nest),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


def _some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    """Return mappings with any of these members, or with none."""
    return st.fixed_dictionaries({}, optional=members)


PORTS: Final = st.builds(
    lambda target, rest: {"target": target, **rest},
    st.sampled_from([80, 443, 53, 65535]),
    _some(
        published=st.sampled_from(["8080", "80", "8000-8010", "", "0"]),
        host_ip=ADDRESSES,
        protocol=st.sampled_from(["tcp", "udp", "sctp"]),
        mode=st.sampled_from(["ingress", "host"]),
        app_protocol=st.just("http"),
        name=WORDS,
    ),
)
ATTACHMENTS: Final = st.none() | _some(
    aliases=st.lists(st.sampled_from(NAMES), max_size=2),
    ipv4_address=ADDRESSES,
    ipv6_address=ADDRESSES,
    priority=st.integers(-5, 1000),
    gw_priority=st.integers(-5, 5),
)
COUNTS: Final = st.sampled_from([0, 1, 1, 1, 2, 7])
MODES: Final = st.sampled_from(
    ["host", "none", "bridge", "default", "container:x", *(f"service:{name}" for name in NAMES)]
)
SERVICE_NETWORKS: Final = st.dictionaries(st.sampled_from(KEYS), ATTACHMENTS, max_size=2)
CONDITIONS: Final = st.sampled_from(["service_started", "service_healthy", "service_completed_successfully"])
EXTRAS: Final = {
    "ports": st.lists(PORTS, max_size=2),
    "expose": st.lists(RANGES, max_size=1),
    "deploy": _some(replicas=COUNTS, mode=st.sampled_from(["global", "replicated"])),
    "scale": COUNTS,
    "depends_on": st.dictionaries(st.sampled_from(NAMES), st.fixed_dictionaries({"condition": CONDITIONS}), max_size=2),
    "sysctls": st.dictionaries(st.sampled_from(["net.ipv4.ip_forward", "kernel.x"]), st.just("1"), max_size=2),
    "command": st.none(),
    "volumes": st.just([]),
}
BODIES: Final = st.builds(
    lambda networks, mode, rest: {
        "image": "nobody/has-this:1",
        **rest,
        **({"network_mode": mode} if mode else {"networks": networks}),
    },
    SERVICE_NETWORKS,
    st.none() | st.none() | MODES,
    _some(**EXTRAS),
)
OPTIONS: Final = _some(
    **{
        BRIDGE + "enable_icc": st.sampled_from(["true", "false"]),
        BRIDGE + "enable_ip_masquerade": st.sampled_from(["true", "false"]),
        BRIDGE + "host_binding_ipv4": ADDRESSES,
        BRIDGE + "gateway_mode_ipv4": st.sampled_from(["isolated", "nat", "routed"]),
        BRIDGE + "name": WORDS,
    }
)
NETWORKS: Final = st.none() | _some(
    name=st.sampled_from(["shop_back", "shop_front", "bridge", "lent", ""]),
    internal=st.booleans(),
    external=st.sampled_from([False, False, True]),
    driver=st.sampled_from(["bridge", "bridge", "bridge", "macvlan", "overlay", "host", ""]),
    driver_opts=OPTIONS,
    enable_ipv6=st.booleans(),
    ipam=_some(driver=st.just("default"), config=st.lists(_some(subnet=SUBNETS, gateway=ADDRESSES), max_size=2)),
    attachable=st.booleans(),
)

PLACES: Final = st.sampled_from([*NAMES[:5], "host", "outside", "*"])
ARROWS: Final = st.builds(
    "{}{}{}{}{}".format,
    PLACES | WORDS,
    st.sampled_from([" -> ", "->", " -> ", " => ", " "]),
    PLACES | WORDS,
    st.sampled_from(["", ":80", ":443", ":53", ":0", ":65536", ":٣"]),
    st.sampled_from(["", "", "/udp", "/tcp", "/sctp", "/icmp"]),
)
REASONS: Final = st.sampled_from(["known", "", "why: {rule}", "[bold]", "a\nb", "\u2028"]) | WORDS
TOLERATIONS: Final = st.builds(
    lambda what, why: {**what, **why},
    ARROWS.map(lambda flow: {"flow": flow}) | st.sampled_from(KEYS).map(lambda key: {"network": key}),
    REASONS.map(lambda why: {"why": why}),
)
POLICIES: Final = _some(allow=st.lists(ARROWS, max_size=4), tolerate=st.lists(TOLERATIONS, max_size=3))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Generate a nearly valid document, with a policy about names that it has or not."""
    services = draw(st.dictionaries(st.sampled_from(NAMES), BODIES, min_size=1, max_size=4))
    for name, body in services.items():
        if _joins_missing_namespace(name, body, services):
            del body["network_mode"]
        body["depends_on"] = {key: link for key, link in body.get("depends_on", {}).items() if name < key in services}
    met = {key for body in services.values() for key in body.get("networks", ())}
    networks = {key: draw(NETWORKS) for key in [*sorted(met), *draw(st.lists(st.sampled_from(KEYS), max_size=1))]}
    document = {"name": "shop", "services": services, "networks": networks}
    if draw(st.booleans()):
        document["x-cloison"] = draw(sensible(services)) if draw(st.booleans()) else draw(POLICIES)
    return document


def _joins_missing_namespace(name: str, body: Document, services: Document) -> bool:
    """Whether a service shares the namespace of a missing service, or of one that shares another."""
    mode, _, namespace_owner = body.get("network_mode", "").partition(":")
    theirs: str = services.get(namespace_owner, {"network_mode": "service:"}).get("network_mode", "")
    return mode == "service" and (name == namespace_owner or theirs.startswith("service:"))


def sensible(services: Document) -> st.SearchStrategy[Document]:
    """Return policies that name existing places, so that most are valid."""
    places = st.sampled_from([*services, "host", "outside", "*"])
    arrows = st.builds("{} -> {}{}".format, places, st.sampled_from([*services]), st.sampled_from(["", "", ":80"]))
    return st.fixed_dictionaries(
        {"allow": st.lists(arrows, max_size=3)}, optional={"tolerate": st.lists(TOLERATIONS, max_size=1)}
    )


def positions(body: Any) -> list[tuple[Any, Any]]:
    """Return every position in a document, as a container and a key of it."""
    found: list[tuple[Any, Any]] = []
    waiting = [body]
    while waiting:
        held = waiting.pop()
        keys = list(held) if isinstance(held, dict) else range(len(held)) if isinstance(held, list) else ()
        found += [(held, key) for key in keys]
        waiting += [held[key] for key in keys]
    return found


def mutant(document: Document, dice: Random) -> Document:
    """Return a document with some values replaced."""
    body: Document = json.loads(json.dumps(document))
    for _ in range(dice.randint(1, 3)):
        places = positions(body)
        if places:
            _strike(*dice.choice(places), dice)
    return body


def _strike(held: Any, key: Any, dice: Random) -> None:
    """Replace one value, remove it, rename its key, or wrap it in a list."""
    match dice.randrange(6):
        case 0:
            del held[key]
        case 1 if isinstance(held, dict):
            held[junk(dice, depth=0)] = held.pop(key)
        case 2:
            held[key] = [held[key]]
        case _:
            held[key] = junk(dice, depth=2)


def junk(dice: Random, depth: int) -> Any:
    """Return anything that JSON can hold, a text at depth 0."""
    text = dice.choice([*NAMES, *KEYS, *ODD])
    if not depth:
        return text
    made: list[Callable[[], Any]] = [
        lambda: {junk(dice, 0): junk(dice, depth - 1) for _ in range(dice.randrange(3))},
        lambda: [junk(dice, depth - 1) for _ in range(dice.randrange(3))],
        lambda: nest(dice.choice(DEEP)),
        lambda: dice.choice(ODD_NUMBERS),
        lambda: dice.choice([None, True, False]),
        lambda: text,
    ]
    return dice.choice(made)()


ANYTHING: Final = st.dictionaries(
    st.sampled_from(["name", "services", "networks", "x-cloison"]) | WORDS, JSON, max_size=5
)
"""Mappings that are unlikely to be a Compose document."""
