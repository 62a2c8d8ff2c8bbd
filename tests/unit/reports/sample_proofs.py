"""What reports are shown: one proof for each thing that can be wrong, and for each way of being right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

from msgspec import structs
from tests.unit.reports.sample_project import WHEN, SampleProject, seen_as, service, world

from cloison.findings import container_risks, engine_cves
from cloison.findings.container_privileges import ContainerPrivileges, ForwardingPath, Mount, Process, Socket
from cloison.findings.host_facts import DaemonFacts, HostFacts
from cloison.model.facts import Attachment, Container
from cloison.model.flow import HOST, OUTSIDE, EndpointKind, Flow, Protocol, Vantage, ip_version
from cloison.model.outcome import Observation, Outcome, observation, unknown
from cloison.proof.schema import FindingPart, Proof

SHARED: Final = "Docker has no policy inside a network; `cloison enforce` closes these"
POLICY: Final[dict[str, Any]] = {
    "allow": ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306"],
    "tolerate": [
        {"network": "back", "why": SHARED},
        {"flow": "proxy -> outside", "why": "front must not be internal, or nothing could be published"},
        {"flow": "* -> host", "why": "the host's firewall is not this file's business"},
    ],
}
STACK: Final[dict[str, Any]] = {
    "services": {
        "db": service(3306, "back"),
        "app": service(5000, "back"),
        "proxy": service(80, "back", "front", published=8080),
    },
    "networks": {"back": {"name": "shop_back", "internal": True}, "front": {"name": "shop_front"}},
}


def stack(**changes: Any) -> SampleProject:
    """Return the stack of three services, with parts of its document replaced."""
    return world({**STACK, "x-cloison": POLICY, **changes})


def fully_allowed() -> Proof:
    """Every pair of services has a network of its own and is allowed all that this opens."""
    arrows = ["outside -> proxy:80", "proxy -> app", "app -> proxy", "app -> db", "db -> app", "* -> host"]
    services = {
        "db": service(3306, "low"),
        "app": service(5000, "low", "high"),
        "proxy": service(80, "high", "front", published=8080),
    }
    networks = {"low": {"internal": True}, "high": {"internal": True}, "front": {}}
    allow = {"allow": [*arrows, "proxy -> outside"]}
    return world({"services": services, "networks": networks, "x-cloison": allow}).proof()


def breached() -> Proof:
    """The file publishes the database and gives everyone egress; app was connected to `front` while it ran."""
    services = {**STACK["services"], "db": service(3306, "back", published=3307)}
    networks = {**STACK["networks"], "back": {"name": "shop_back"}}
    moved = stack(services=services, networks=networks).with_facts(_join_front)
    return moved.proof(_front_is_one)


def _join_front(item: Container) -> Container:
    extra = (Attachment("shop_front", "198.18.1.99"),) if item.service == "app" else ()
    return replace(item, attachments=(*item.attachments, *extra))


def _front_is_one(flow: Flow) -> Observation | None:
    """Return what a bridge does: it carries whoever sits on it."""
    if flow.endpoint.network != "shop_front" or {flow.vantage.place, flow.endpoint.place} != {"app", "proxy"}:
        return None
    return seen_as(flow, Outcome.ACCEPTED)


def broken() -> Proof:
    """The database hangs, app lost its seat, and the outside is kept out by a firewall."""

    def leave(item: Container) -> Container:
        return replace(item, attachments=()) if item.service == "app" else item

    def seen(flow: Flow) -> Observation | None:
        if flow.endpoint.place == "db" and flow.endpoint.kind is EndpointKind.LISTENER and flow.vantage.place == "app":
            return seen_as(flow, Outcome.ARRIVED)
        if flow.vantage.place == "app" and flow.endpoint.network:
            return observation(Outcome.UNREACHABLE, watched=True, evidence="could not be delivered: no route")
        return seen_as(flow, Outcome.SILENT) if flow.vantage.place == OUTSIDE else None

    return stack().with_facts(leave).proof(seen)


def not_proven() -> Proof:
    """One replica is missing, another service is absent, and one vantage cannot be trusted."""
    services = {**STACK["services"], "db": service(3306, "back", replicas=2)}
    failure = "its own canary could not be reached (silent): probes from it prove nothing"

    def stop(item: Container) -> Container:
        return replace(item, pid=0) if item.name in ("shop-db-2", "shop-app-1") else item

    def seen(flow: Flow) -> Observation | None:
        return unknown(failure) if flow.vantage.place == "proxy" else None

    return stack(services=services).with_facts(stop).proof(seen, {"proxy": (failure, "")})


def foreign_container_joined() -> Proof:
    """A container of another project was connected to `back`."""
    foreign_container = Container(
        "blog-cron-1", "x", "blog", "cron", 900, WHEN, attachments=(Attachment("shop_back", "198.18.0.200"),)
    )

    def seen(flow: Flow) -> Observation | None:
        strange = "blog" in flow.vantage.place + flow.endpoint.place
        near = HOST not in (flow.vantage.place, flow.endpoint.place) and OUTSIDE != flow.vantage.place
        return seen_as(flow, Outcome.ACCEPTED) if strange and near and flow.endpoint.network == "shop_back" else None

    return stack().with_facts(lambda item: item, foreign_container).proof(seen)


def without_policy() -> Proof:
    """There is no policy, the engine made `back` without `internal`, and a firewall lets front into back."""
    unfiltered_ipv6 = world(STACK)
    networks = tuple(replace(network, internal=False) for network in unfiltered_ipv6.facts.networks)
    drifted = replace(unfiltered_ipv6, facts=replace(unfiltered_ipv6.facts, networks=networks))

    def seen(flow: Flow) -> Observation | None:
        if flow.endpoint.place == OUTSIDE and flow.vantage == Vantage("db", "shop-db-1"):
            return seen_as(flow, Outcome.ACCEPTED)
        if flow.vantage.place == "app" and flow.endpoint.place == "proxy" and flow.endpoint.network == "shop_front":
            return seen_as(flow, Outcome.ACCEPTED)
        return None

    return drifted.proof(seen)


V6: Final = 6


def unfiltered_ipv6() -> Proof:
    """The database's network has IPv6, on an engine that has no wall over it; all the rest holds."""
    networks = {**STACK["networks"], "back": {"name": "shop_back", "internal": True, "enable_ipv6": True}}
    tolerate = [{"flow": "* -> outside", "why": "it is watched"}]
    policy = {**POLICY, "tolerate": [*POLICY["tolerate"], *tolerate]}

    def seen(flow: Flow) -> Observation | None:
        # proxy has its default route over front, which has no IPv6
        if flow.vantage.place == "proxy" and flow.endpoint.place == OUTSIDE and V6 == ip_version(flow.endpoint.address):
            return seen_as(flow, Outcome.SILENT)
        return None

    return stack(networks=networks, **{"x-cloison": policy}).proof(seen)


def udp_from_outside() -> Proof:
    """A rule on the host lets datagrams from outside pass to the database: the canary's, and to no port of TCP."""

    def seen(flow: Flow) -> Observation | None:
        end = flow.endpoint
        reached = (flow.vantage.place, end.place, end.protocol) == (OUTSIDE, "db", Protocol.UDP)
        return seen_as(flow, Outcome.ARRIVED) if reached else None

    services = {**STACK["services"], "dns": {**service(53, "back"), "expose": ["53/udp"]}}
    return stack(services=services).proof(seen)


SERVED: Final = (*((Protocol.TCP, port) for port in (22, 111, 2049, 9100, 10250)), (Protocol.UDP, 111))


def on_host_network() -> Proof:
    """The host listens on six ports; one container gets to a seventh that a firewall ought to shut."""
    tolerate = [*POLICY["tolerate"][:2], {"flow": "proxy -> host", "why": "it publishes there"}]
    allow = [*POLICY["allow"], "app -> host:5432"]
    return stack(**{"x-cloison": {"allow": allow, "tolerate": tolerate}}).serving(*SERVED, (Protocol.TCP, 5432)).proof()


TIERS: Final = {
    "edge": ("gateway", "storefront", "admin-console"),
    "core": ("gateway", "admin-console", "catalogue", "cart", "checkout", "accounts", "mailer"),
    "data": ("catalogue", "cart", "checkout", "accounts", "postgres", "redis", "search-index"),
    "jobs": ("checkout", "mailer", "queue", "payments-worker", "redis"),
}


def twelve() -> Proof:
    """Twelve services and more on four networks; a line of policy for each need, and one breach."""
    names = sorted({name for tier in TIERS.values() for name in tier})
    attachments = {name: [net for net, members in TIERS.items() if name in members] for name in names}
    services = {
        name: service(
            8000 + 10 * i, *attachments[name], published=8443 if name == "gateway" else 0, replicas=1 + (i == 2)
        )
        for i, name in enumerate(names)
    }
    rules = {
        "allow": ["outside -> gateway", "gateway -> storefront", "gateway -> catalogue", "checkout -> postgres"],
        "tolerate": [
            *({"network": tier, "why": SHARED} for tier in ("core", "data", "jobs")),
            {"flow": "* -> host", "why": "the host's firewall is not this file's business"},
            {"flow": "* -> outside", "why": "edge must be able to publish"},
        ],
    }
    networks = {tier: {"internal": tier != "edge"} for tier in TIERS}

    def seen(flow: Flow) -> Observation | None:
        moved = flow.vantage.place == "admin-console" and flow.endpoint.place == "postgres"
        return seen_as(flow, Outcome.ACCEPTED) if moved else None

    return world({"services": services, "networks": networks, "x-cloison": rules}).proof(seen)


PLAIN: Final = Process("init", is_root=True, effective=1 << 13, permitted=1 << 13, bounding=1 << 13, no_new_privs=False)


def misused(more: int = 0) -> Proof:
    """Everything holds, and yet somebody inside could do a lot; with `more` ordinary containers besides the three."""
    members = [*(f"shop-{name}-1" for name in ("app", "db", "proxy")), *(f"shop-worker-{i + 1}" for i in range(more))]
    ordinary = ContainerPrivileges(
        "", ("shop_back",), (PLAIN,), host_capabilities=(1 << 41) - 1, shared=frozenset({"user"})
    )
    privileges = [replace(ordinary, container=name) for name in members]
    socket = Socket("/run/docker.sock", "0:23", "/docker.sock")
    mounted = (Mount("0:23", "/docker.sock", "/var/run/docker.sock", writable=False),)
    privileges[0] = replace(privileges[0], sockets=(socket,), mounts=mounted)
    privileges[2] = replace(privileges[2], networks=("shop_back", "shop_front"), forwarding=("eth0", "eth1"))
    path = ForwardingPath("shop-proxy-1", "shop-app-1", "shop_back", "shop-mail-1", "shop_front")
    there = stack()
    held = container_risks.risks(privileges, {path: container_risks.ARRIVED})
    host = HostFacts(resolvers=("127.0.0.53",))
    known = engine_cves.risks(engine_cves.EngineContext(there.facts, host, DaemonFacts(), "shop"))
    parts = [FindingPart(f.what, f.where, f.sentence, f.evidence, f.source) for f in [*held, *known]]
    return structs.replace(there.proof(), findings=parts)


PROOFS: Final[Mapping[str, Callable[[], Proof]]] = {
    name: cache(make)
    for name, make in {
        "holds": fully_allowed,
        "tolerated": lambda: stack().proof(),
        "breach": breached,
        "broken": broken,
        "unknown": not_proven,
        "stranger": foreign_container_joined,
        "no-policy": without_policy,
        "twelve": twelve,
        "misused": misused,
        "misused-by-many": lambda: misused(57),
        "ipv6": unfiltered_ipv6,
        "udp": udp_from_outside,
        "host": on_host_network,
    }.items()
}
