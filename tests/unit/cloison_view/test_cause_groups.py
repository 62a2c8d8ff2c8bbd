"""What needs action is grouped by what opens it, and counted once in the paragraph under the verdict."""

from __future__ import annotations

import pytest
from tests.unit.plan.sample_documents import planned, service
from tests.unit.reports.sample_proofs import PROOFS

from cloison.plan.schema import Plan
from cloison.proof.schema import Proof
from cloison_view.action_items import NO_ADVICE
from cloison_view.cause_groups import ActionGroup, CauseKind, action_groups, policy_flows
from cloison_view.overview import overview
from cloison_view.summary import Summary, summarize


def groups(document: Proof | Plan, *, strict: bool = False) -> tuple[Summary, list[ActionGroup]]:
    summary = summarize(document)
    return summary, action_groups(summary, lambda _: NO_ADVICE, strict=strict)


def kinds(document: Proof | Plan) -> list[tuple[str, str, str]]:
    return [(group.judgement, group.kind, group.network) for group in groups(document)[1]]


def clique(*names: str, policy: object = None, **more: object) -> Plan:
    """Return the plan of services on one network."""
    services = {name: service("net", expose=(80,)) for name in names} | dict(more)
    document = {"name": "x", "services": services, "networks": {"net": {"name": "x_net"}}}
    return planned(document | {"x-cloison": policy if policy is not None else {"allow": []}})


def test_drift_comes_first_then_the_kinds_of_what_the_file_opens() -> None:
    assert [
        ("breach", "", ""),
        ("breach", "published", ""),
        ("breach", "egress", ""),
    ] == kinds(PROOFS["breach"]())


def test_each_network_is_a_group() -> None:
    document = {
        "name": "x",
        "services": {"a": service("one"), "b": service("one", "two"), "c": service("two")},
        "networks": {key: {"name": f"x_{key}"} for key in ("one", "two")},
        "x-cloison": {"allow": []},
    }

    assert [("breach", "network", "one"), ("breach", "network", "two")] == kinds(planned(document))[2:]


@pytest.mark.parametrize("name", sorted(PROOFS))
def test_a_group_of_a_network_has_its_name(name: str) -> None:
    found = groups(PROOFS[name](), strict=True)[1]

    assert all(bool(group.network) is (group.kind is CauseKind.NETWORK) for group in found)


def test_a_container_that_the_file_does_not_have_is_drift() -> None:
    assert {("breach", "", "")} == set(kinds(PROOFS["stranger"]()))


@pytest.mark.parametrize(("names", "is_mesh"), [(("a", "b", "c"), True), (("a", "b"), False)])
def test_members_that_all_reach_each_other_are_a_mesh(names: tuple[str, ...], is_mesh: bool) -> None:
    (network,) = [group for group in groups(clique(*names))[1] if group.kind is CauseKind.NETWORK]

    assert is_mesh is network.is_mesh


def test_a_network_with_an_allowed_connection_is_no_mesh() -> None:
    (network,) = [
        group
        for group in groups(clique("a", "b", "c", policy={"allow": ["a -> b"]}))[1]
        if group.kind is CauseKind.NETWORK
    ]

    assert not network.is_mesh


def test_the_lines_of_policy_are_read_by_the_policy() -> None:
    summary, found = groups(clique("a", "b", "c", "d"))
    lines = [line for group in found for line in policy_flows(group, summary)]
    accepted = [{"flow": line, "why": "x"} for line in lines]

    assert "* -> outside" in lines
    assert "* -> host" in lines
    assert "sound" == clique("a", "b", "c", "d", policy={"allow": [], "tolerate": accepted}).verdict.word


def test_only_listeners_have_a_port() -> None:
    summary, found = groups(clique("a", "b"))
    (network,) = [group for group in found if group.kind is CauseKind.NETWORK]

    assert ["a -> b", "b -> a"] == policy_flows(network, summary)
    assert ["a -> b:80", "b -> a:80"] == policy_flows(network, summary, only_listeners=True)


def test_a_foreign_container_has_no_line_of_policy() -> None:
    summary, found = groups(PROOFS["stranger"]())

    assert [[]] * len(found) == [policy_flows(group, summary) for group in found]


@pytest.mark.parametrize("name", sorted(PROOFS))
def test_the_paragraph_counts_each_breach_once(name: str) -> None:
    summary, found = groups(PROOFS[name]())
    text = overview(summary, found)
    breaches = summary.connection_counts.get("breach", 0)

    assert (breaches == 0) is ("should be closed" not in text)
    if breaches:
        parts = text.partition("should be closed: ")[2].partition(".")[0].split(", ")
        assert text.startswith(f"{breaches} of ")
        assert breaches == sum(int(part.split()[0]) for part in parts)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("tolerated", "24 connections are as the policy requires, 14 of them open and tolerated."),
        ("broken", "3 are closed, and the policy needs them."),
        ("unknown", "it is not known whether they are open."),
    ],
)
def test_the_paragraph_says_what_is_wrong_and_what_is_not(name: str, sentence: str) -> None:
    assert sentence in overview(*groups(PROOFS[name]()))


def test_a_document_without_flows_has_no_paragraph() -> None:
    assert "" == overview(*groups(planned({"name": "x", "services": {}, "networks": {}})))
