"""The advice of plans whose services or ports are modelled once for many."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.large_projects import many_services, switchboard
from tests.unit.plan.sample_documents import planned, service

from cloison.compose import project as compose_project
from cloison.plan import advisor
from cloison.plan.advisor import APPLY_PROPOSAL, connection_advice, judge_classes, judge_services
from cloison.plan.change import Situation
from cloison.plan.scenario import connection
from cloison.plan.schema import Plan
from cloison.plan.synthetic_facts import Assumptions
from cloison.reports import plan_terminal
from cloison.verdict.judge import Judgement

WALLED: dict[str, Any] = {"allow": ["outside -> s000:80", "s002 -> outside"]}


def sentences(plan: Plan) -> dict[str, int]:
    """Return the advice of a plan, and the number of flows that each piece settles."""
    return {part.sentence: len(part.flows) for part in plan.advice}


def to_act_on(plan: Plan) -> set[int]:
    return {i for i, flow in enumerate(plan.flows) if flow.judgement in (Judgement.BREACH, Judgement.BROKEN)}


def test_a_class_of_services_has_the_advice_that_was_tried_with_each_of_them() -> None:
    plan = planned(many_services(12, 2, policy=WALLED))

    assert plan.alike
    assert to_act_on(plan) == {position for part in plan.advice for position in part.flows}
    assert "remove n0 from `networks` of s004" in sentences(plan) or APPLY_PROPOSAL in sentences(plan)


def test_too_many_flows_for_trials_leave_the_proposal_as_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisor, "TRIED_FLOWS", 10)

    plan = planned(many_services(12, 2, policy=WALLED))

    assert plan.proposal
    assert plan.proposal.sound
    assert {APPLY_PROPOSAL: len(to_act_on(plan))} == sentences(plan)
    assert None is plan.proposal.step


def test_too_many_flows_and_no_proposal_leave_no_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisor, "TRIED_FLOWS", 10)
    document = many_services(12, 1, policy={"allow": ["* -> *"]})  # and the host is open to all of them
    document["networks"]["n0"]["internal"] = True

    plan = planned(document)
    text = plan_terminal.render(plan, color=False, width=100, strict=False)

    assert plan.alike
    assert {} == sentences(plan)
    assert plan_terminal.NOT_TRIED.sentence in " ".join(text.split())


def test_a_breach_of_a_class_is_one_of_each_of_its_services() -> None:
    project = compose_project.project(many_services(12, 2, policy=WALLED))
    situation = Situation(project, Assumptions())

    every, classes = (
        {connection(item.flow)[:4] for item in judge(situation) if item.judgement is Judgement.BREACH}
        for judge in (judge_services, judge_classes)
    )

    assert every == classes


def test_a_range_of_ports_moves_as_one_and_is_tolerated_as_one() -> None:
    document = switchboard(16384, 16483, {"allow": ["outside -> pbx:5060/udp"]})

    found = sentences(planned(document))
    by_connection = connection_advice(compose_project.project(document), Assumptions())

    assert any("ports 16384-16483/udp of pbx" in sentence for sentence in found), found
    assert {100} == {
        len({key[3] for key, said in by_connection.items() if said == sentence and 16384 <= key[3] <= 16483})
        for sentence in by_connection.values()
        if "16384-16483" in sentence
    }


def test_the_proposal_publishes_a_range_as_one_entry() -> None:
    plan = planned(switchboard(16384, 16483, {"allow": ["outside -> pbx:5060/udp"]}))

    assert plan.proposal
    assert '- "127.0.0.1:16384-16483:16384-16483/udp"' in plan.proposal.yaml
    assert plan.proposal.sound


def test_a_network_that_a_rule_demands_stays_as_it_is() -> None:
    networks = {name: {"name": f"shop_{name}"} for name in ("lan", "vpn")}
    document: dict[str, Any] = {
        "name": "shop",
        "services": {"app": service("vpn", "lan"), "web": service("vpn", "lan"), "db": service("lan")},
        "networks": networks,
        "x-cloison": {"allow": ["app -> outside via vpn", "app -> db"]},
    }

    plan = planned(document, engine="28.0")

    assert plan.proposal
    assert plan.proposal.sound
    assert "vpn" not in {network.key for network in plan.proposal.networks}
    assert "vpn" not in plan.proposal.dropped
    assert {"web": ["vpn"]} == {part.service: part.networks for part in plan.proposal.services}


def test_a_proposal_for_a_file_that_the_engine_refuses_is_not_called_sound() -> None:
    document = many_services(3, 1, policy={"allow": ["outside -> s000:80", "s000 -> s001:5432"]})
    services = document["services"]
    assert planned(document).proposal.sound  # type: ignore[union-attr]  # there is one
    services["s002"] = service("n0", ports=("127.0.0.1:8080:80",))  # the port of s000

    plan = planned(document)

    assert plan.proposal
    assert not plan.proposal.sound
    assert ["services.s002.ports"] == [part.what for part in plan.coverage.skipped]


def test_a_change_that_removes_what_the_policy_names_is_no_advice() -> None:
    document: dict[str, Any] = {
        "name": "shop",
        "services": {"app": service("vpn"), "web": service("vpn", expose=(80,))},
        "networks": {"vpn": {"name": "shop_vpn"}},
        "x-cloison": {"allow": ["app -> outside via vpn"]},
    }

    found = sentences(planned(document))

    assert not any("remove vpn from `networks` of app" in sentence for sentence in found)
    assert "remove vpn from `networks` of web" in found


def test_a_toleration_to_keep_stays_so_in_the_proposal() -> None:
    document = many_services(3, 1, policy={**WALLED, "tolerate": [{"network": "n0", "why": "x", "keep": True}]})
    document["networks"]["n1"] = {"name": "large_n1"}
    document["services"]["s001"] = service("n0", "n1")

    plan = planned(document)

    assert plan.proposal
    assert plan.proposal.sound
    assert "keep: true" in plan.proposal.yaml
