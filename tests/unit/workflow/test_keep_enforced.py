"""The loop that keeps a policy enforced says how it ended, whatever ended it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cloison.errors import NotProven
from cloison.workflow import enforcement
from cloison.workflow.enforcement import Enforcer
from cloison.workflow.keep_enforced import LONGEST_REST, Change, Effort, Keeper, kept_enforced


def enforcer(**members: Any) -> Enforcer:
    """Return what the loop asks of an enforcer, without an engine and without a kernel."""
    return cast("Enforcer", SimpleNamespace(project=SimpleNamespace(name="shop"), text="rules", **members))


def test_an_error_that_nobody_expected_is_told_and_ends_whoever_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Keeper) -> None:
        raise ZeroDivisionError("no such thing")

    monkeypatch.setattr(Keeper, "follow", broken)
    monkeypatch.setattr(Keeper, "guard", Keeper.wait_until_ready)
    told: list[Change] = []

    with pytest.raises(ZeroDivisionError), kept_enforced(enforcer(), told.append):
        pass

    assert ["the rules are not kept any more: ZeroDivisionError('no such thing')"] == [c.sentence for c in told]


def test_rules_that_the_kernel_refuses_are_told_and_the_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: str) -> bool:
        raise NotProven("the kernel refused the rules of shop: no memory")

    monkeypatch.setattr(enforcement, "standing_differs", lambda *_: ["the table for inet is missing"])
    told: list[Change] = []
    keeper = Keeper(enforcer(reload=refused), told.append)

    keeper.restore(0)

    assert [Change("the kernel refused the rules of shop: no memory", 0)] == told
    keeper.check()


def test_the_loop_rests_only_where_changes_go_on_and_on() -> None:
    effort, now, rests = Effort(0), 0.0, []
    for _ in range(400):  # a change takes 50 ms
        now += 0.05
        rests.append(effort.rest_after(0.05, now))
        now += rests[-1]

    assert not any(rests[:40]), "forty containers that start together"
    assert 0.18 < 400 * 0.05 / now < 0.3, "then the loop takes a fifth of a processor"
    assert max(rests) <= LONGEST_REST
    assert not effort.rest_after(0.05, now + 10), "a container that starts later does not wait"
