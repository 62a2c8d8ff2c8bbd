"""The loop that keeps a policy enforced says how it ended, whatever ended it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cloison.errors import NotProven
from cloison.workflow import enforcement
from cloison.workflow.enforcement import Enforcer
from cloison.workflow.keep_enforced import Change, Keeper, kept_enforced


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
