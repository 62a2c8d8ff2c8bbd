"""An engine without a table of rules is predicted `unknown`, with its name, in a proof and in a plan."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.unit.fake_engine import STACK

from cloison.compose.project import project
from cloison.model.outcome import Reach
from cloison.plan import planner, synthetic_facts
from cloison.plan.synthetic_facts import Assumptions
from cloison.predict.predictor import RULES
from cloison.proof.schema import Tool
from cloison.verdict.judge import Judgement

UNKNOWN_RULES = 'the rules of the engine "other" are not known to this version of cloison'


def test_every_flow_of_an_unknown_engine_is_unknown_in_a_proof() -> None:
    deployment = STACK.dual_stack("backend_net").with_engine("1.0.0", name="other")
    predicted = deployment.predicted()

    assert {":" in flow.endpoint.address for flow in predicted} == {True, False}
    assert {(p.reach, p.rule) for p in predicted.values()} == {(Reach.UNKNOWN, UNKNOWN_RULES)}


def test_every_flow_of_an_unknown_engine_is_unknown_in_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_facts, "DEFAULT_ENGINE", "other")
    plan = planner.plan(project(STACK.file), Assumptions(), Tool("cloison", "0.1.0"))

    assert {flow.predicted for flow in plan.flows} == {Reach.UNKNOWN}
    assert UNKNOWN_RULES in {flow.rule for flow in plan.flows}
    assert plan.totals[Judgement.UNKNOWN] == len(plan.flows)


def test_every_engine_has_rules_for_both_versions_of_ip() -> None:
    assert {frozenset(rules) for rules in RULES.values()} == {frozenset({4, 6})}


def test_equal_predictions_are_one_object() -> None:
    predicted = STACK.dual_stack("backend_net").predicted().values()

    assert len({*predicted}) == len({id(prediction) for prediction in predicted}) < len(predicted)


def test_a_flow_that_no_rule_decides_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = (lambda _context, _flow: None,)
    monkeypatch.setitem(cast("dict[str, Any]", RULES), "docker", {4: silent, 6: silent})

    assert {(Reach.UNKNOWN, "no rule matches this flow")} == {(p.reach, p.rule) for p in STACK.predicted().values()}
