"""Services that are alike in every cell are one place of a summary, and no count changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.plan.sample_documents import planned, service

from cloison.plan.schema import Plan
from cloison.proof.schema import canonical
from cloison.reports import plan_terminal
from cloison_view.alike import fold, folded_name
from cloison_view.summary import Summary, summarize

WORKERS = {f"w{number}": service("net", expose=(9000,)) for number in range(1, 5)}


def shop(policy: Any = None, **services: Any) -> Plan:
    """Return the plan of four equal workers and of other services."""
    document = {
        "name": "shop",
        "services": {**WORKERS, "db": service("net", "back", expose=(3306,)), **services},
        "networks": {key: {"name": f"shop_{key}"} for key in ("net", "back")},
    }
    return planned(document | ({"x-cloison": policy} if policy is not None else {}))


def members(plan: Plan) -> dict[str, tuple[str, ...]]:
    return dict(fold(summarize(plan)).members)


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (["w10", "w2", "w1"], "w1…w10 (3)"),
        (["api", "cache", "queue"], "api and 2 more"),
        (["w1", "x1", "w2"], "w1 and 2 more"),
    ],
)
def test_the_name_of_a_folded_place_counts_its_services(names: list[str], label: str) -> None:
    assert label == folded_name(names)


def test_equal_services_are_one_row_and_one_column() -> None:
    summary = fold(summarize(shop()))

    assert {"w1…w4 (4)": ("w1", "w2", "w3", "w4")} == members(shop())
    assert ("db", "w1…w4 (4)", "host", "outside") == summary.sources
    assert ["db", "host", "outside", "w1…w4 (4)"] == sorted(summary.ports)
    assert ("w1…w4 (4)", "w1…w4 (4)") in {(found.source, found.target) for found in summary.connections}


@pytest.mark.parametrize(
    "policy",
    [
        {"allow": ["w1 -> db:3306"]},
        {"allow": ["db -> w1:9000"]},
        {"allow": ["w1 -> w2:9000"]},
        {"allow": [], "tolerate": [{"flow": "w1 -> outside", "why": "x"}]},
    ],
    ids=str,
)
def test_a_service_that_differs_in_a_cell_is_not_folded(policy: Any) -> None:
    folded = {name for names in members(shop(policy)).values() for name in names}

    assert "w1" not in folded
    assert {"w3", "w4"} & folded or not folded


def test_services_on_other_networks_or_with_other_ports_are_not_folded() -> None:
    plan = shop(w2=service("back", expose=(9000,)), w3=service("net", expose=(9001,)))

    assert {} == members(plan)


def test_two_services_are_not_folded() -> None:
    assert {} == members(shop(w3=service("back"), w4=service("back")))


def test_the_folded_place_of_a_class_counts_the_services_that_are_not_modelled() -> None:
    plan = shop(w5=WORKERS["w1"], w6=WORKERS["w1"])

    assert {"w1…w6 (6)": ("w1", "w2", "w3", "w4", "w5", "w6")} == members(plan)
    assert ("db", "w1…w6 (6)", "host", "outside") == fold(summarize(plan)).sources


def test_folding_changes_no_count_and_loses_no_flow() -> None:
    summary = summarize(shop({"allow": ["* -> db:3306"]}))
    folded = fold(summary)

    assert folded.connection_counts == summary.connection_counts
    assert folded.flow_counts == summary.flow_counts
    assert folded.counts_of("breach") == summary.counts_of("breach")
    assert len(folded.connections) < len(summary.connections)
    assert _flows(summary) == _flows(folded)
    assert all(folded.by_pair[folded.pair(position)] for position in _flows(folded))


def _flows(summary: Summary) -> list[int]:
    return sorted(position for found in summary.connections for position in found.flows)


def test_json_is_folded_as_the_structs_are() -> None:
    plan = shop(pbx=service("net", ports=tuple(f"{port}:{port}/udp" for port in range(100, 110))))
    from_json = fold(summarize(json.loads(canonical(plan))))

    assert [found.pair for found in from_json.connections] == [
        found.pair for found in fold(summarize(plan)).connections
    ]
    assert "100-109/udp" in {end.port_label for ends in from_json.ports.values() for end in ends}


def test_the_report_names_folded_services_once_and_its_policy_names_each() -> None:
    text = plan_terminal.render(shop({"allow": ["* -> db:3306"]}), color=False, width=160, strict=False)

    assert "w1…w4 (4) would reach host" in " ".join(text.split())
    assert '- "* -> host"' in text
    assert 'tolerate it with `- {network: "net"' in text
    assert "each of w1…w4 (4) has egress to the internet over net" in text
