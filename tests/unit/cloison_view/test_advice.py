from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.unit.reports.sample_proofs import breached as breached_proof

from cloison.model.facts import Origin
from cloison.model.flow import HOST, OUTSIDE, EndpointKind
from cloison.model.outcome import Outcome, Reach
from cloison.proof.schema import AdvicePart, EndpointPart, FlowPart, NetworkPart, VantagePart
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Cause, Judgement
from cloison_view.action_items import Advice
from cloison_view.advice import advice, proof_advice
from cloison_view.attachments import Attachments, ResolvedFlow

NETWORKS = {
    name: NetworkPart(name=name, key=name.removeprefix("shop_"), driver="bridge", internal=internal, external=False)
    for name, internal in {"shop_back": True, "shop_front": False}.items()
}
BACK = frozenset({"shop_back"})
DECLARED = {"db": BACK, "app": BACK, "proxy": BACK | {"shop_front"}}
HELD = {"db-1": BACK, "app-1": BACK, "proxy-1": BACK | {"shop_front"}}
SPEAKING = {"shop_back": frozenset({4, 6}), "shop_front": frozenset({4})}
SCENE = Attachments(NETWORKS, DECLARED, HELD, SPEAKING)
OVER_V6 = "2001:db8:f000:1::2"
FLOW = FlowPart(
    vantage=0,
    endpoint=0,
    intended=Intent.SHUT,
    intended_by="x-cloison.allow[1]",
    predicted=Reach.OPEN,
    rule="",
    observed=Reach.OPEN,
    outcome=Outcome.ACCEPTED,
    evidence="",
    judgement=Judgement.BREACH,
    cause=Cause.FILE,
    drift=False,
    reason="",
)


def end(place: str, **changes: Any) -> EndpointPart:
    whole = place in (HOST, OUTSIDE)
    plain = EndpointPart(
        place=place,
        container="" if whole else f"{place}-1".removeprefix("stranger:"),
        kind=EndpointKind.CANARY if whole else EndpointKind.LISTENER,
        protocol="tcp",
        service_port=0 if whole else 3306,
        network="" if place == OUTSIDE else "shop_back",
        address="198.18.0.2",
        port=0 if whole else 3306,
    )
    return msgspec.structs.replace(plain, **changes)


def told(source: str, target: EndpointPart, *, controls: tuple[str, str] = ("", ""), **flow: Any) -> ResolvedFlow:
    container = "" if source in (HOST, OUTSIDE) else f"{source}-1".removeprefix("stranger:")
    return ResolvedFlow(msgspec.structs.replace(FLOW, **flow), VantagePart(source, container, *controls), target)


def drift(source: str, target: EndpointPart) -> ResolvedFlow:
    return told(source, target, cause=Cause.DRIFT, predicted=Reach.SHUT, drift=True)


def broken(source: str, target: EndpointPart, predicted: Reach, outcome: Outcome = Outcome.SILENT) -> ResolvedFlow:
    return told(source, target, judgement=Judgement.BROKEN, cause=None, predicted=predicted, outcome=outcome)


def unknown(source: str, target: EndpointPart, **changes: Any) -> ResolvedFlow:
    return told(source, target, judgement=Judgement.UNKNOWN, cause=None, **{"observed": Reach.UNKNOWN, **changes})


PUBLISHED = end("db", kind=EndpointKind.PUBLISHED, network="", port=3307)


@pytest.mark.parametrize("seen", [told(OUTSIDE, PUBLISHED), told("app", end(HOST)), told("proxy", end("db"))])
def test_a_breach_by_the_file_without_a_tried_change_names_the_verb_that_tries_changes(seen: ResolvedFlow) -> None:
    assert advice(SCENE, seen) == Advice(
        "the file decides this: `cloison plan` tries changes of the file, and prints one that works and breaks nothing",
        ("cloison plan",),
        policy=True,
    )


def test_the_advice_of_the_document_comes_first() -> None:
    proof = breached_proof()
    position = next(i for i, flow in enumerate(proof.flows) if flow.cause is Cause.FILE)
    tried = msgspec.structs.replace(proof, advice=[AdvicePart("make it so", [position])])

    assert "make it so" == proof_advice(tried)(position).sentence
    assert "make it so" != proof_advice(proof)(position).sentence


@pytest.mark.parametrize(
    ("seen", "words", "command"),
    [
        (
            drift("stranger:cron", end("db")),
            "cron, which is not in the file, is attached to back",
            "docker network disconnect shop_back cron",
        ),
        (
            drift("db", end("stranger:cron")),
            "cron, which is not in the file, is attached to back",
            "docker network disconnect shop_back cron",
        ),
        (
            drift("proxy", end("db", network="shop_front")),
            "db was connected to front while it ran",
            "docker network disconnect shop_front db-1",
        ),
        (drift("app", end("db")), "look for what forwards this on the host", "iptables -S DOCKER-USER"),
        (drift("proxy", end(OUTSIDE)), "front exists at the engine without `internal`", "docker compose up -d"),
        (drift("app", end(OUTSIDE)), "look for what forwards this on the host", "iptables -S FORWARD"),
        (drift("app", PUBLISHED), "look for what forwards this on the host", "iptables -t nat -S"),
        (drift("app", end("db", address=OVER_V6)), "look for what forwards this on the host", "ip6tables -S FORWARD"),
    ],
)
def test_a_breach_by_drift_names_the_difference(seen: ResolvedFlow, words: str, command: str) -> None:
    found = advice(SCENE, seen)

    assert words in found.sentence
    assert command in found.commands
    assert not found.policy


def test_a_foreign_container_is_disconnected_from_every_network() -> None:
    attachments = replace(SCENE, attached={**HELD, "cron": frozenset({"shop_back", "shop_front"})})

    assert advice(attachments, drift("stranger:cron", end("db"))) == Advice(
        "cron, which is not in the file, is attached to back and front: disconnect it",
        ("docker network disconnect shop_back cron", "docker network disconnect shop_front cron"),
    )


@pytest.mark.parametrize(
    "target",
    [end("proxy", network="shop_front"), end(OUTSIDE), PUBLISHED],
    ids=["a member of the network", "the outside", "a published port"],
)
def test_a_source_that_was_connected_while_it_ran_is_disconnected(target: EndpointPart) -> None:
    attachments = replace(SCENE, attached={**HELD, "app-1": BACK | {"shop_front"}})

    assert advice(attachments, drift("app", target)) == Advice(
        "app was connected to front while it ran: disconnect it, or add the network to the file",
        ("docker network disconnect shop_front app-1",),
    )


def test_a_breach_without_a_cause_names_no_change_of_the_file() -> None:
    seen = told("app", end("db"), cause=None, predicted=Reach.UNKNOWN)

    assert advice(SCENE, seen) == Advice(
        "the file does not decide this: close it at the engine or on the host", policy=True
    )


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (broken("app", end("db"), Reach.SHUT), "or remove x-cloison.allow[1] from the policy"),
        (broken("app", end("db", address=""), Reach.OPEN), "db is not attached to back any more"),
        (broken("app", end("db"), Reach.OPEN, Outcome.ARRIVED), "check that db is healthy"),
        (broken("app", end("db"), Reach.OPEN), "the packets are dropped on the way"),
        (broken("app", end("db"), Reach.UNKNOWN), "the packets are dropped on the way"),
    ],
)
def test_a_broken_connection_names_a_remedy(seen: ResolvedFlow, words: str) -> None:
    assert words in advice(SCENE, seen).sentence


def test_a_source_that_lost_its_network_is_recreated() -> None:
    attachments = replace(SCENE, attached={**HELD, "app-1": frozenset()})

    assert advice(attachments, broken("app", end("db"), Reach.OPEN)) == Advice(
        "app is not attached to back any more: recreate it", ("docker compose up -d --force-recreate app",)
    )


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (unknown("app", end("db", container="")), "start db and prove again"),
        (unknown("app", end("db"), controls=("silent", "")), "find the rule that drops the traffic of app"),
        (unknown("app", end("db"), controls=("", "answered")), "find the proxy that answers app for every address"),
        (unknown("app", end("db"), observed=Reach.OPEN), "add a policy under x-cloison"),
        (unknown("app", end("db"), outcome=Outcome.ARRIVED), "find the rule that redirects them"),
        (unknown("app", end("db")), "prove again when no container is starting or stopping"),
    ],
)
def test_an_unknown_flow_names_a_way_to_observe_it(seen: ResolvedFlow, words: str) -> None:
    assert words in advice(SCENE, seen).sentence


MEMBERS = replace(SCENE, members={"lxc-1": "veth1", "eth1-1": "", "eth2-1": "eth2"})


@pytest.mark.parametrize("cause", Cause)
def test_a_member_without_the_engine_is_removed_from_the_network(cause: Cause) -> None:
    for seen in (told("stranger:lxc", end("db"), cause=cause), told("db", end("stranger:lxc"), cause=cause)):
        found = advice(MEMBERS, seen)

        assert "lxc-1 is connected to back, and the engine did not connect it" in found.sentence
        assert ("ip link set dev veth1 nomaster",) == found.commands


def test_a_connection_through_an_interface_of_the_host_names_it() -> None:
    found = advice(MEMBERS, drift("app", end("db")))

    assert "the engine did not connect eth1-1 and eth2-1 and lxc-1 to the project's networks" in found.sentence
    assert ("ip link set dev eth2 nomaster", "ip link set dev veth1 nomaster") == found.commands


def test_a_member_that_is_not_predicted_is_removed_from_the_network() -> None:
    assert "lxc-1 is connected to back" in advice(MEMBERS, told("stranger:lxc", end("db"), cause=None)).sentence
    assert () == advice(MEMBERS, drift("stranger:eth1", end("db"))).commands


def test_a_device_is_removed_or_tolerated_by_name() -> None:
    to_device = unknown("db", end("stranger:eth1", address=""))
    source = VantagePart("stranger:eth2", "eth2-1", "", "", Origin.DEVICE, "eth2")
    from_device = replace(unknown("stranger:eth2", end("db")), source=source)

    assert "it is unknown what eth1-1 on back reaches" in advice(MEMBERS, to_device).sentence
    assert "`- device: eth2-1`" in advice(MEMBERS, from_device).sentence
    assert ((), ("ip link set dev eth2 nomaster",)) == (
        advice(MEMBERS, to_device).commands,
        advice(MEMBERS, from_device).commands,
    )


def test_a_broken_flow_over_ipv6_names_ip6tables() -> None:
    found = advice(SCENE, broken("app", end("db", address=OVER_V6), Reach.OPEN))

    assert found.commands == ("ip6tables -S FORWARD", "ip6tables -t nat -S")


def test_a_tolerated_flow_with_strict_names_allow() -> None:
    found = advice(SCENE, told("app", end("db"), judgement=Judgement.TOLERATED, cause=None))

    assert "close them, or list them under `allow`" in found.sentence
