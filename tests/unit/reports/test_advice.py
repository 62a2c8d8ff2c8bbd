from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from cloison.model.flow import HOST, OUTSIDE, EndpointKind
from cloison.model.outcome import Outcome, Reach
from cloison.proof.schema import EndpointPart, FlowPart, NetworkPart, VantagePart
from cloison.reports.advice import advice
from cloison.reports.topology import ResolvedFlow, Topology
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Cause, Judgement
from cloison_view.action_items import Advice

NETWORKS = {
    name: NetworkPart(name=name, key=name.removeprefix("shop_"), driver="bridge", internal=internal, external=False)
    for name, internal in {"shop_back": True, "shop_front": False}.items()
}
BACK = frozenset({"shop_back"})
DRAWN = {"db": BACK, "app": BACK, "proxy": BACK | {"shop_front"}}
HELD = {"db-1": BACK, "app-1": BACK, "proxy-1": BACK | {"shop_front"}}
SPEAKING = {"shop_back": frozenset({4, 6}), "shop_front": frozenset({4})}
SCENE = Topology(NETWORKS, DRAWN, HELD, SPEAKING)
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
ANYTHING = end("db", kind=EndpointKind.CANARY, service_port=0, port=0)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (told(OUTSIDE, PUBLISHED), "take port 3306 out of `ports` of db"),
        (told("proxy", PUBLISHED), "make front `internal: true`, or take port 3306 out of `ports` of db"),
        (told("app", PUBLISHED), "make its networks `internal: true`"),
        (told("app", end(HOST)), "a firewall on the host shuts it, or from Docker Engine 28"),
        (told("proxy", end(OUTSIDE)), "make front `internal: true`"),
        (told("app", end(OUTSIDE)), "make its networks `internal: true`"),
        (told(OUTSIDE, end("db")), "make back `internal: true`, or take Docker Engine 28"),
        (told("proxy", end("db")), "give proxy and db networks of their own instead of back"),
        (told("app", end(OUTSIDE, address=OVER_V6)), "take `enable_ipv6` out of back, or take Docker Engine 27"),
        (told(OUTSIDE, end("db", address=OVER_V6)), "take `enable_ipv6` out of back, or take Docker Engine 27"),
        (told("db", end("proxy", address=OVER_V6, network="shop_front")), "take `enable_ipv6` out of front"),
        (told("proxy", end("db", address=OVER_V6)), "give proxy and db networks of their own instead of back"),
        (
            told("app", msgspec.structs.replace(PUBLISHED, address=OVER_V6)),
            "publish port 3306 of db on an IPv4 address alone (0.0.0.0 is every one), or take `enable_ipv6` out of",
        ),
        (told(OUTSIDE, msgspec.structs.replace(PUBLISHED, address=OVER_V6)), "take port 3306 out of `ports` of db"),
        (told("app", end("db", network="shop_front")), "change what the file says about app and db"),
    ],
)
def test_a_breach_by_the_file_says_what_to_change_or_which_line_to_add(seen: ResolvedFlow, words: str) -> None:
    found = advice(SCENE, seen)

    assert words in found.sentence
    assert found.policy


@pytest.mark.parametrize(
    ("seen", "words", "command"),
    [
        (drift("stranger:cron", end("db")), "put cron, which", "docker network disconnect shop_back cron"),
        (drift("db", end("stranger:cron")), "put cron, which", "docker network disconnect shop_back cron"),
        (
            drift("proxy", end("db", network="shop_front")),
            "somebody connected db to front",
            "docker network disconnect shop_front db-1",
        ),
        (drift("app", end("db")), "it is the host that lets this pass", "iptables -S DOCKER-USER"),
        (drift("proxy", end(OUTSIDE)), "the engine holds front without `internal`", "docker compose up -d"),
        (drift("app", end(OUTSIDE)), "it is the host that lets this pass", "iptables -S FORWARD"),
        (drift("app", PUBLISHED), "it is the host that lets this pass", "iptables -t nat -S"),
        (drift("app", end("db", address=OVER_V6)), "it is the host that lets this pass", "ip6tables -S FORWARD"),
    ],
)
def test_a_breach_by_drift_says_who_moved(seen: ResolvedFlow, words: str, command: str) -> None:
    found = advice(SCENE, seen)

    assert words in found.sentence
    assert command in found.commands
    assert not found.policy


def test_a_stranger_is_sent_away_from_every_network_that_it_holds() -> None:
    topology = replace(SCENE, attached={**HELD, "cron": frozenset({"shop_back", "shop_front"})})

    assert advice(topology, drift("stranger:cron", end("db"))) == Advice(
        "somebody put cron, which the file does not know, on back and front; take it off",
        ("docker network disconnect shop_back cron", "docker network disconnect shop_front cron"),
    )


@pytest.mark.parametrize(
    "target",
    [end("proxy", network="shop_front"), end(OUTSIDE), PUBLISHED],
    ids=["a neighbour", "the way out", "a published port"],
)
def test_a_source_that_was_moved_is_found_by_its_seats(target: EndpointPart) -> None:
    topology = replace(SCENE, attached={**HELD, "app-1": BACK | {"shop_front"}})

    assert advice(topology, drift("app", target)) == Advice(
        "somebody connected app to front while it ran; take it off, or write the network into the file",
        ("docker network disconnect shop_front app-1",),
    )


def test_a_breach_that_nobody_predicts_blames_nobody() -> None:
    seen = told("app", end("db"), cause=None, predicted=Reach.UNKNOWN)

    assert advice(SCENE, seen) == Advice(
        "the file alone does not decide this: shut it on the engine or on the host", policy=True
    )


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (broken(OUTSIDE, ANYTHING, Reach.SHUT), "x-cloison.allow[1] names no port"),
        (broken(OUTSIDE, end("db"), Reach.SHUT), "publish port 3306 of db (`ports`), or take x-cloison.allow[1] out"),
        (broken("app", end(OUTSIDE), Reach.SHUT), "give app a network that is not internal, or take"),
        (broken("app", end("db"), Reach.SHUT), "put app and db on one network, or take"),
        (broken("app", end("db", address=""), Reach.OPEN), "db lost its seat on back"),
        (broken("app", end("db"), Reach.OPEN, Outcome.ARRIVED), "see whether db is well"),
        (broken("app", end("db"), Reach.OPEN), "something on the way drops it"),
        (broken("app", end("db"), Reach.UNKNOWN), "something on the way drops it"),
    ],
)
def test_a_broken_door_says_where_to_look(seen: ResolvedFlow, words: str) -> None:
    assert words in advice(SCENE, seen).sentence


def test_a_source_that_lost_its_seat_is_given_it_back() -> None:
    topology = replace(SCENE, attached={**HELD, "app-1": frozenset()})

    assert advice(topology, broken("app", end("db"), Reach.OPEN)) == Advice(
        "app lost its seat on back; give it back", ("docker compose up -d --force-recreate app",)
    )


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (unknown("app", end("db", container="")), "start db and prove again"),
        (unknown("app", end("db"), controls=("silent", "")), "see what holds back app's own traffic"),
        (unknown("app", end("db"), controls=("", "answered")), "find what answers app for every address"),
        (unknown("app", end("db"), observed=Reach.OPEN), "say it with a policy under x-cloison"),
        (unknown("app", end("db")), "prove again when nothing is starting or stopping"),
    ],
)
def test_what_is_not_known_says_how_to_know_it(seen: ResolvedFlow, words: str) -> None:
    assert words in advice(SCENE, seen).sentence


def test_what_is_lost_over_ipv6_is_looked_for_in_the_firewall_of_ipv6() -> None:
    found = advice(SCENE, broken("app", end("db", address=OVER_V6), Reach.OPEN))

    assert found.commands == ("ip6tables -S FORWARD", "ip6tables -t nat -S")


def test_a_way_out_over_a_network_with_ipv6_that_is_not_internal_is_shut_as_every_other() -> None:
    topology = replace(SCENE, network_ip_versions={"shop_front": frozenset({4, 6})})

    assert advice(topology, told("proxy", end(OUTSIDE, address=OVER_V6))).sentence == "make front `internal: true`"


def test_what_is_tolerated_says_what_strict_asks() -> None:
    found = advice(SCENE, told("app", end("db"), judgement=Judgement.TOLERATED, cause=None))

    assert "shut it, or name it under `allow` instead" in found.sentence
