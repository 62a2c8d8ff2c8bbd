"""What moved between the engines: every wall here stands otherwise on 26.1 and on 28.5, or was told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine.second_engine import SecondEngine, flow_name, mismatches, running

from cloison.model.outcome import Reach
from cloison.proof.schema import FlowPart, Proof

pytestmark = pytest.mark.engine

OPTION = "com.docker.network.bridge."
OPEN, SHUT = Reach.OPEN, Reach.SHUT


def with_gateway_mode(mode: str, **more: Any) -> dict[str, Any]:
    return {"driver_opts": {f"{OPTION}gateway_mode_ipv4": mode}} | more


def service(*networks: str, **more: Any) -> dict[str, Any]:
    return {"image": "nobody/has-this:1", "networks": dict.fromkeys(networks), "expose": ["81"]} | more


FILE = {
    "services": {
        "way": service("plain", ports=["80"]),
        "trail": service("routed", ports=["80"]),
        "fork": service(ports=["80"]) | {"networks": {"plain": None, "routed": {"gw_priority": 1}}},
        "bare": service("unprotected"),
        "cell": service("isolated"),
        "mate": service("isolated"),
        "guest": service("other"),
        "back": service("inner"),
    },
    "networks": {
        "plain": {},
        "other": {},
        "inner": {"internal": True},
        "routed": with_gateway_mode("routed"),
        "unprotected": with_gateway_mode("nat-unprotected"),
        "isolated": with_gateway_mode("isolated", internal=True),
    },
}
EXPECTED_REACH = {  # on 26.1 and on 28.5
    "outside -> way:80 on plain": (OPEN, SHUT),  # https://github.com/moby/moby/pull/48724
    "outside -> way:81 on plain": (SHUT, SHUT),
    "outside -> trail:80 on routed": (OPEN, OPEN),
    "outside -> trail:81 on routed": (SHUT, SHUT),
    "guest -> trail:80 on routed": (SHUT, OPEN),  # https://github.com/moby/moby/pull/48596
    "guest -> trail:81 on routed": (SHUT, SHUT),
    "back -> trail:80 on routed": (SHUT, SHUT),
    "outside -> fork:80 on plain": (OPEN, SHUT),
    "outside -> fork:80 on routed": (SHUT, OPEN),  # https://github.com/moby/moby/pull/48936
    "outside -> bare:81 on unprotected": (SHUT, OPEN),  # https://github.com/moby/moby/pull/48597
    "guest -> bare:81 on unprotected": (SHUT, SHUT),
    "host -> cell:81 on isolated": (OPEN, SHUT),  # https://github.com/moby/moby/pull/49262
    "mate -> cell:81 on isolated": (OPEN, OPEN),
    "back -> host:* on inner": (OPEN, OPEN),
    "back -> host:* on plain": (SHUT, SHUT),  # open before 25: https://github.com/moby/moby/pull/46603
}


@pytest.fixture(scope="module", params=["trixie", "forky"])
def rehearsed_proof(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Proof]]:
    with running(request.param) as machine:
        yield request.param, machine.rehearse(FILE, tmp_path_factory.mktemp("gates"))


def is_ipv4(proof: Proof, flow: FlowPart) -> bool:
    return ":" not in proof.endpoints[flow.endpoint].address


def test_every_flow_is_closed_where_its_engine_closes_it(rehearsed_proof: tuple[str, Proof]) -> None:
    suite, proof = rehearsed_proof
    seen = {flow_name(proof, flow): flow.observed for flow in proof.flows if is_ipv4(proof, flow)}

    assert {name: pair[suite == "forky"] for name, pair in EXPECTED_REACH.items()} == {
        name: seen[name] for name in EXPECTED_REACH
    }


def test_every_flow_is_predicted(rehearsed_proof: tuple[str, Proof]) -> None:
    _, proof = rehearsed_proof

    assert proof.flows
    assert [] == mismatches(proof)


def test_what_the_engine_was_told_at_its_start_is_predicted(told: SecondEngine, tmp_path: Path) -> None:
    proof = told.rehearse(
        {
            "services": {"way": service("plain", ports=["80"]), "guest": service("other")},
            "networks": {"plain": {}, "other": {}},
        },
        tmp_path,
    )
    seen = {flow_name(proof, flow): flow.observed for flow in proof.flows if is_ipv4(proof, flow)}

    assert [] == mismatches(proof)
    assert OPEN is seen["outside -> way:80 on plain"]
    assert SHUT is seen["outside -> way:81 on plain"]
    assert SHUT is seen["guest -> way:80 published"]


@pytest.fixture
def told() -> Iterator[SecondEngine]:
    with running("forky", "--allow-direct-routing", "--userland-proxy=false") as machine:
        yield machine
