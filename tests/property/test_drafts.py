"""The plan of any project with its drafted policy has no breach and nothing broken, or the draft names the flows."""

from __future__ import annotations

from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML
from hypothesis import HealthCheck, Phase, given, settings
from tests.property.document_strategies import documents
from tests.unit.plan.public_shapes import SHAPES

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.draft import text
from cloison.draft.declared_needs import declared_needs
from cloison.draft.draft import draft, remaining
from cloison.errors import CloisonError
from cloison.plan import planner
from cloison.plan.synthetic_facts import Assumptions
from cloison.proof.schema import Tool

IS_FAST = settings.get_current_profile_name() == "fast"


def check(document: dict[str, Any], assumed: Assumptions) -> None:
    """Draft a policy, read the block that is printed, and plan the document with it."""
    without = {key: value for key, value in document.items() if key != "x-cloison"}
    project = compose_project.project(without)
    found = draft(project, declared_needs(project, without), assumed)
    block = yaml.safe_load(text.block(found, "drafted"))
    assert found.policy == {"tolerate": [], **block["x-cloison"]}

    with_policy = compose_project.project({**without, **block})
    left = remaining(with_policy, found, assumed)
    named = {tuple(sentence.partition(":")[0].split(" -> ")) for sentence in found.not_covered}

    assert {(item.flow.vantage.place, item.flow.endpoint.place) for item in left} <= named, left[:3]
    assert policy.policy(with_policy) is not None
    if not named:
        plan = planner.plan(with_policy, assumed, Tool("cloison", "0"))
        assert (0, 0) == (plan.totals["breach"], plan.totals["broken"])


@pytest.mark.parametrize("name", SHAPES)
def test_the_draft_of_a_public_shape_is_sound(name: str) -> None:
    check(SHAPES[name], Assumptions())


@pytest.mark.parametrize("name", SHAPES)
def test_the_draft_for_the_default_engine_holds_on_a_later_one(name: str) -> None:
    project = compose_project.project(SHAPES[name])
    found = draft(project, declared_needs(project, SHAPES[name]), Assumptions())

    assert [] == remaining(project, found, Assumptions("28.0"))


@pytest.mark.parametrize("version", ["20.10", "28.0"])
def test_the_draft_of_a_random_project_is_sound_or_names_what_it_cannot_cover(version: str) -> None:
    accepted = []

    @settings(
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.generate],
        max_examples=20 if IS_FAST else 100,
    )
    @given(documents())
    def example(document: dict[str, Any]) -> None:
        try:
            compose_project.project({k: v for k, v in document.items() if k != "x-cloison"})
            planner.plan(compose_project.project({**document, "x-cloison": {}}), Assumptions(version), Tool("c", "0"))
        except CloisonError:
            return
        check(document, Assumptions(version))
        accepted.append(document)

    example()

    assert len(accepted) > 5
