"""A connection of a folded place has one piece of advice, whatever was tried for each of its services."""

from __future__ import annotations

from msgspec.structs import replace
from tests.unit.plan.sample_documents import planned, service

from cloison.plan.schema import Plan
from cloison.proof.schema import AdvicePart
from cloison_view.alike import fold
from cloison_view.folded_advice import OTHERS, folded_changes
from cloison_view.summary import summarize


def workers(count: int) -> Plan:
    """Return a plan of equal services that may not reach the database beside them."""
    services = {f"w{number}": service("net") for number in range(count)}
    document = {
        "name": "shop",
        "services": {"db": service("net", expose=(3306,)), **services},
        "networks": {"net": {"name": "shop_net", "internal": True}},
        "x-cloison": {"allow": ["db -> w0"]},
    }
    return planned(document)


def advised(plan: Plan, sentences: dict[str, str]) -> set[str]:
    """Return the advice about the port of the database, where each service has a sentence of its own."""
    plan = replace(plan, policy=None, alike=[])
    found: dict[str, list[int]] = {}
    for position, flow in enumerate(plan.flows):
        source, end = plan.vantages[flow.vantage].place, plan.endpoints[flow.endpoint]
        if end.place == "db" and source in sentences and end.service_port == 3306:
            found.setdefault(sentences[source], []).append(position)
    plan = replace(plan, advice=[AdvicePart(sentence, positions) for sentence, positions in found.items()])
    return {advice.sentence for advice in folded_changes(plan, fold(summarize(plan))).values()}


def test_the_changes_of_equal_services_are_named_together() -> None:
    plan = workers(4)
    names = ("w1", "w2", "w3")

    assert {"move it"} == advised(plan, dict.fromkeys(names, "move it"))
    assert {"move w1; move w2"} == advised(plan, {"w1": "move w1", "w2": "move w2", "w3": "move w2"})
    assert {f"move w1; move w2; {OTHERS}"} == advised(plan, {name: f"move {name}" for name in names})


def test_a_service_that_is_like_no_other_keeps_its_own() -> None:
    assert {"move w1", "move w2"} == advised(workers(3), {"w1": "move w1", "w2": "move w2"})
