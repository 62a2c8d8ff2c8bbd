"""The proposal as Compose itself reads it: an override file that yields the proposed networks and a sound plan."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plan.public_shapes import SHAPES
from tests.unit.plan.sample_documents import planned, service, shop

from cloison.plan.schema import Plan
from cloison.proof.schema import EndpointPart


def merged(tmp_path: Path, document: dict[str, Any], override: str) -> dict[str, Any]:
    """Return the document that Compose makes of a file and its override."""
    compose = shutil.which("docker")
    assert compose, "docker is not in PATH; install Docker Compose 2.24.4 or later, which needs no running engine"
    files = {"compose.yaml": json.dumps(document), "proposal.yml": override}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    options = [argument for name in files for argument in ("-f", str(tmp_path / name))]
    done = subprocess.run(
        [compose, "compose", *options, "config", "--format", "json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@cache
def plan_of_shape(name: str) -> Plan:
    """Return the plan of a public shape."""
    return planned(SHAPES[name])


def networks(document: dict[str, Any]) -> dict[str, bool]:
    """Return whether each network is internal."""
    return {key: bool((body or {}).get("internal")) for key, body in document["networks"].items()}


def attached(document: dict[str, Any]) -> dict[str, set[str]]:
    """Return the networks of each service."""
    return {name: {*(body.get("networks") or {})} for name, body in document["services"].items()}


def proposed(plan: Plan, document: dict[str, Any]) -> dict[str, set[str]]:
    """Return the networks of each service, as the members of the plan's proposal say."""
    assert plan.proposal
    changed = {part.service: {*part.networks} for part in plan.proposal.services}
    return {**attached(document), **changed}


@pytest.mark.parametrize("name", SHAPES)
def test_the_proposal_makes_the_plan_of_a_public_shape_sound(name: str, tmp_path: Path) -> None:
    document = SHAPES[name]
    before = plan_of_shape(name)
    assert before.verdict.exit_code == 1
    assert before.proposal
    assert before.proposal.sound

    after = merged(tmp_path, document, before.proposal.yaml)

    assert {n.key: n.internal for n in before.proposal.networks} == networks(after)
    assert proposed(before, document) == attached(after)
    assert ("sound", 0) == ((verdict := planned(after).verdict).word, verdict.exit_code)
    assert planned(after).proposal is None


@pytest.mark.parametrize("name", SHAPES)
def test_the_first_step_of_a_public_shape_closes_what_it_says_and_breaks_nothing(name: str, tmp_path: Path) -> None:
    document = SHAPES[name]
    before = plan_of_shape(name)
    assert before.proposal
    if before.proposal.step is None:
        return

    after = planned(merged(tmp_path, document, before.proposal.step.yaml))

    closed = open_pairs(before) - open_pairs(after)
    assert before.proposal.step.closes == len(closed) > 0
    assert after.totals["broken"] <= before.totals["broken"]


def open_pairs(plan: Plan) -> set[tuple[str, str]]:
    """Return the pairs of places, without the host, between which a flow is predicted open."""
    opened = (flow for flow in plan.flows if flow.predicted == "open")
    pairs = {(plan.vantages[flow.vantage].place, plan.endpoints[flow.endpoint].place) for flow in opened}
    return {pair for pair in pairs if "host" not in pair}


def opened_from_outside(plan: Plan, place: str) -> set[EndpointPart]:
    """Return the endpoints of a place that the outside is predicted to reach."""
    opened = (
        flow for flow in plan.flows if flow.predicted == "open" and plan.vantages[flow.vantage].place == "outside"
    )
    return {end for flow in opened if (end := plan.endpoints[flow.endpoint]).place == place}


def test_at_least_half_of_the_public_shapes_have_a_first_step() -> None:
    steps = [plan.proposal.step for plan in map(plan_of_shape, SHAPES) if plan.proposal]

    assert len(SHAPES) // 2 <= len([step for step in steps if step])


def test_aliases_and_other_settings_of_an_attachment_remain(tmp_path: Path) -> None:
    document = shop({"allow": ["app -> db:3306"]}, cache=service("back"))
    document["services"] = {name: {"image": "example", **body} for name, body in document["services"].items()}
    document["networks"] = {"back": {"name": "shop_back", "internal": True}, "front": {"name": "shop_front"}}
    document["services"]["db"]["networks"] = {"back": {"aliases": ["database"]}, "front": None}
    proposal = planned(document).proposal
    assert proposal

    after = merged(tmp_path, document, proposal.yaml)

    assert {"back": {"aliases": ["database"]}} == after["services"]["db"]["networks"]
    assert "none" == after["services"]["cache"]["network_mode"]


def test_a_toleration_of_a_removed_network_is_removed(tmp_path: Path) -> None:
    policy = {"allow": ["app -> db:3306"], "tolerate": [{"network": "front", "why": "it's: known"}]}
    document = shop(policy, db=service("back", "front", expose=(3306,)))
    document["services"] = {name: {"image": "example", **body} for name, body in document["services"].items()}
    proposal = planned(document).proposal
    assert proposal

    after = merged(tmp_path, document, proposal.yaml)

    assert "front" not in after["networks"]
    assert ["network", "flow"] == [next(iter(entry)) for entry in after["x-cloison"]["tolerate"]]
    assert 0 == planned(after).verdict.exit_code


def test_ipv6_is_removed_where_the_engine_does_not_filter_it(tmp_path: Path) -> None:
    document = shop({"allow": ["app -> db:3306"]})
    document["services"] = {name: {"image": "example", **body} for name, body in document["services"].items()}
    document["networks"]["back"] |= {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}
    proposal = planned(document).proposal
    assert proposal

    after = merged(tmp_path, document, proposal.yaml)

    assert not after["networks"]["back"].get("enable_ipv6")
    assert "outside -> db" not in {part.what for part in proposal.tolerates}


def test_a_port_that_a_new_network_would_publish_against_the_policy_is_published_on_loopback(tmp_path: Path) -> None:
    ports = ("3306:3306", "[::1]:3307:3307")
    document = shop({"allow": ["app -> db:3306", "db -> outside"]}, db=service("back", expose=(3306,), ports=ports))
    document["services"] = {name: {"image": "example", **body} for name, body in document["services"].items()}
    proposal = planned(document).proposal
    assert proposal

    after = merged(tmp_path, document, proposal.yaml)

    assert ["127.0.0.1", "::1"] == [port.get("host_ip") for port in after["services"]["db"]["ports"]]
    assert {"listener"} == {end.kind for end in opened_from_outside(planned(after), "db")}
    assert set() == opened_from_outside(planned(after, engine="28.0"), "db")
    assert 0 == planned(after).verdict.exit_code


def test_a_port_of_a_range_that_the_policy_forbids_stays_a_breach() -> None:
    document = shop(
        {"allow": ["app -> db:3306", "db -> outside"]},
        db=service("back", expose=(3306,), ports=("3306-3310:3306",)),
    )

    proposal = planned(document).proposal

    assert proposal
    assert not proposal.sound
    assert [] == [part.what for part in proposal.tolerates if part.what.startswith("outside")]


def test_more_networks_than_the_default_address_pools_hold_are_named() -> None:
    names = [f"s{number:02}" for number in range(33)]
    services = {name: service("all", expose=(80,)) for name in ("hub", *names)}
    document = {"name": "many", "services": services, "networks": {"all": {"name": "many_all"}}}

    proposal = planned(document | {"x-cloison": {"allow": [f"hub -> {name}:80" for name in names]}}).proposal

    assert proposal
    assert ["These are 33 networks, and Docker's default address pools hold 30"] == [
        note.partition(" for all")[0] for note in proposal.notes
    ]
