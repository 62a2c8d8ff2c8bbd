"""The findings about containers that the file does not have, and about unusual states."""

from __future__ import annotations

import pytest
from tests.unit.fake_engine import BACK, STACK, container, foreign_container

from cloison.findings.container_states import STATES, states
from cloison.model.facts import Container


def found(*containers: Container) -> list[tuple[str, str, str]]:
    risks = states("shop", STACK.project.services, (*STACK.facts.containers, *containers))
    return [(risk.what, risk.where, risk.sentence) for risk in risks]


def test_a_project_as_the_file_has_it_has_no_finding() -> None:
    assert [] == found(foreign_container("spy", (BACK, "172.30.1.66"), project="other"))


@pytest.mark.parametrize(
    ("one_off", "command"), [(False, "docker compose up -d --remove-orphans"), (True, "docker rm --force old-1")]
)
def test_a_container_that_the_file_does_not_have_is_named_with_its_command(one_off: bool, command: str) -> None:
    ((kind, where, sentence),) = found(container("old", one_off=one_off))

    assert ("orphan", "old-1") == (kind, where)
    assert f"`{command}` removes it" in sentence


def test_a_stopped_container_that_the_file_does_not_have_reaches_nothing() -> None:
    assert [] == found(container("old", pid=0))


@pytest.mark.parametrize("state", STATES)
def test_an_unusual_state_is_named(state: str) -> None:
    ((kind, where, sentence),) = found(container("db", number=2, state=state))

    assert (state, "db-2") == (kind, where)
    assert sentence.startswith(("is ", "restarts "))


def test_the_state_of_a_foreign_container_is_not_the_projects_concern() -> None:
    assert [] == found(container("db", number=2, state="paused", project="other"))
