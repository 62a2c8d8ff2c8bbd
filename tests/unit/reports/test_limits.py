"""Each section of a report names what it leaves out."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.sample_documents import planned, service

from cloison.reports import plan_terminal
from cloison.reports.limits import hidden_places, more, names


def places(count: int, policy: Any = None) -> str:
    """Return the report of services that each reach the next one only."""
    services = {f"s{number:02}": service("net", expose=(80,)) for number in range(count)}
    allow = [f"s{number:02} -> s{(number + 1) % count:02}:80" for number in range(count)]
    document = {
        "name": "x",
        "services": services,
        "networks": {"net": {"name": "x_net"}},
        "x-cloison": {"allow": allow} | (policy or {}),
    }
    return plan_terminal.render(planned(document), color=False, width=100, strict=False)


def test_nothing_is_said_where_nothing_is_left_out() -> None:
    assert [] == more(0, "note")
    assert [] == hidden_places(0, 0)


def test_what_is_left_out_is_counted() -> None:
    assert ["  … and 1 more note: --full shows all"] == [line.plain for line in more(1, "note")]
    assert ["  … and 2 more sources and 1 more target: --full shows all"] == [
        line.plain for line in hidden_places(2, 1)
    ]


def test_many_names_are_shortened() -> None:
    assert "a, b" == names(["a", "b"])
    assert "0, 1, 2, 3, 4, 5, 6, 7 and 4 more" == names([str(number) for number in range(12)])


@pytest.mark.slow
def test_a_report_of_many_places_is_short_and_names_what_it_leaves_out() -> None:
    tolerations = [{"flow": f"s{number:02} -> host", "why": "x"} for number in range(5)]
    text = places(45, {"tolerate": tolerations})

    assert len(text.splitlines()) < 60
    for said in ("more sources and", "more findings", "more toleration", "proposal.yml"):
        assert said in text, said


def test_a_report_of_few_places_is_whole() -> None:
    assert "--full shows all" not in places(4)
