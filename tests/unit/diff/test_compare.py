"""What changed between two documents, and which changes are worse."""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.diff.sample_diffs import (
    State,
    base,
    difference,
    only_change,
    position,
    with_flow,
    without_flow,
)
from tests.unit.plan.sample_documents import POLICY, planned, service, shop
from tests.unit.reports.sample_project import service as running
from tests.unit.reports.sample_project import world
from tests.unit.reports.sample_proofs import PROOFS, STACK, stack

from cloison.diff import alike
from cloison.diff.compare import compare
from cloison.errors import UsageError
from cloison.proof.schema import Proof, SkippedPart
from cloison_view.verdict import COMPLETED

HOLDS: State = ("shut", "shut", "holds")
NEEDED: State = ("open", "open", "holds")
BREACH: State = ("shut", "open", "breach")
BROKEN: State = ("open", "shut", "broken")
TOLERATED: State = ("tolerated", "open", "tolerated")
UNKNOWN: State = ("shut", "unknown", "unknown")
UNJUDGED: State = ("unjudged", "open", "unjudged")
UNDECIDED: State = ("undecided", "open", "unknown")


@pytest.mark.parametrize("scene", PROOFS)
def test_a_document_does_not_differ_from_itself(scene: str) -> None:
    diff = compare(PROOFS[scene](), PROOFS[scene]())

    assert ([], [], {}, False) == (diff.changes, diff.gaps, diff.totals, diff.worse)


@pytest.mark.parametrize(
    ("old", "new", "kinds", "worse"),
    [
        (HOLDS, BREACH, ["breach", "opened"], True),
        (TOLERATED, BREACH, ["breach"], True),
        (NEEDED, BREACH, ["breach"], True),
        (BROKEN, BREACH, ["breach", "opened"], True),
        (NEEDED, BROKEN, ["broken", "closed"], True),
        (HOLDS, BROKEN, ["broken"], True),
        (BREACH, BROKEN, ["broken", "closed"], True),
        (HOLDS, UNKNOWN, ["lost"], True),
        (BREACH, UNKNOWN, ["lost"], True),
        (NEEDED, UNDECIDED, ["lost"], True),
        (None, BREACH, ["breach", "opened", "appeared"], True),
        (None, BROKEN, ["broken", "appeared"], True),
        (None, UNKNOWN, ["appeared"], True),
        (BREACH, TOLERATED, ["tolerated"], False),
        (HOLDS, TOLERATED, ["opened", "tolerated"], False),
        (BREACH, HOLDS, ["closed", "resolved"], False),
        (BREACH, NEEDED, ["resolved"], False),
        (BROKEN, NEEDED, ["opened", "resolved"], False),
        (UNKNOWN, HOLDS, ["known"], False),
        (UNKNOWN, BREACH, ["breach", "known"], True),
        (HOLDS, UNJUDGED, ["opened"], False),
        (NEEDED, ("optional", "open", "holds"), ["intention"], False),
        (None, HOLDS, ["appeared"], False),
        (None, NEEDED, ["opened", "appeared"], False),
        (HOLDS, None, ["disappeared"], False),
        (BREACH, None, ["closed", "resolved", "disappeared"], False),
        (UNKNOWN, None, ["known", "disappeared"], False),
    ],
)
def test_a_change_has_its_kinds_and_is_worse_or_not(
    old: State | None, new: State | None, kinds: list[str], worse: bool
) -> None:
    diff = difference(old, new)
    change = only_change(diff)

    assert (kinds, worse, worse) == (change.kinds, change.worse, diff.worse)
    assert ("app", "db", "tcp", 3306, "back", 4) == (
        change.source,
        change.target,
        change.protocol,
        change.port,
        change.network,
        change.ip,
    )
    assert dict.fromkeys(kinds, 1) == diff.totals


@pytest.mark.parametrize(("old", "worse"), [(HOLDS, True), (BREACH, True), (None, True), (TOLERATED, False)])
def test_strictly_a_flow_that_became_tolerated_is_worse(old: State | None, worse: bool) -> None:
    assert worse == difference(old, TOLERATED, strict=True).worse


def test_addresses_and_the_order_of_everything_do_not_matter() -> None:
    proof, chance = base(), random.Random(7)  # noqa: S311  # samples, not secrets
    vantages, endpoints = ([*range(len(part))] for part in (proof.vantages, proof.endpoints))
    chance.shuffle(vantages)
    chance.shuffle(endpoints)
    moved = replace(
        proof,
        vantages=[proof.vantages[i] for i in vantages],
        endpoints=[
            replace(end, address=end.address.replace("198.18.", "10.99."), port=end.port + 1)
            for end in (proof.endpoints[i] for i in endpoints)
        ],
        flows=[
            replace(flow, vantage=vantages.index(flow.vantage), endpoint=endpoints.index(flow.endpoint))
            for flow in chance.sample(proof.flows, len(proof.flows))
        ],
    )

    assert not compare(proof, moved).changes


def test_another_name_of_the_project_is_no_change_where_the_file_has_the_networks() -> None:
    named = {key: {**network, "name": f"other_{key}"} for key, network in STACK["networks"].items()}

    assert not compare(base(), stack(networks=named).proof()).changes


def test_more_replicas_of_a_service_are_the_same_flows() -> None:
    services = {**STACK["services"], "app": running(5000, "back", replicas=3)}
    changes = compare(base(), stack(services=services).proof()).changes

    assert {("app", "app")} == {(change.source, change.target) for change in changes}


def test_the_worst_of_several_flows_counts() -> None:
    services = {**STACK["services"], "app": running(5000, "back", replicas=3)}
    many = stack(services=services).proof()
    at = position(many, "app", "db", 3306)

    change = only_change(compare(many, with_flow(many, at, BREACH)))
    assert ["breach"] == change.kinds


def test_a_port_that_appears_is_compared_with_any_other_port() -> None:
    opened = with_flow(base(), position(base(), "proxy", "db", 3306), BREACH)
    old = without_flow(opened, position(opened, "proxy", "db", 3306))
    canary = with_flow(old, position(old, "proxy", "db", 0), BREACH)
    new = with_flow(opened, position(opened, "proxy", "db", 0), BREACH)

    assert not compare(canary, new).changes
    assert not compare(new, canary).changes
    assert ["breach", "appeared"] == only_change(compare(old, opened)).kinds


def skipped(*gaps: tuple[str, str]) -> Proof:
    """Return a proof that skipped these parts."""
    return replace(base(), coverage=replace(base().coverage, skipped=[SkippedPart(*gap) for gap in gaps]))


def test_what_is_not_covered_any_more_is_worse() -> None:
    absent = replace(base(), coverage=replace(base().coverage, absent=["db"]))

    assert [("db", "a container is missing")] == [(gap.what, gap.why) for gap in compare(base(), absent).gaps]
    assert compare(base(), absent).worse
    assert compare(base(), skipped(("app", "it is stopped"))).worse


def test_what_was_not_covered_before_and_what_has_completed_is_not_worse() -> None:
    assert not compare(skipped(("app", "it is stopped")), skipped(("app", "it is stopped"))).worse
    assert not compare(base(), skipped(("job", COMPLETED))).worse


def test_a_document_without_flows_is_worse_than_one_with_flows() -> None:
    empty = replace(base(), flows=[])

    assert "no flow was judged" in [gap.why for gap in compare(base(), empty).gaps]
    assert not compare(empty, empty).worse


def test_a_removed_policy_is_worse() -> None:
    old, new = base(), world(STACK).proof()

    assert (True, True) == (compare(old, new).policy_removed, compare(old, new).worse)
    assert not compare(new, old).policy_removed


def test_the_worse_changes_come_first() -> None:
    changes = compare(base(), PROOFS["breach"]()).changes

    assert [True, False] == list(dict.fromkeys(change.worse for change in changes))


def ranged(*ports: str) -> Any:
    """Return the plan of a file in which a service publishes ranges of ports."""
    media = service("front", ports=ports)
    return planned(shop({"allow": []}, media=media))


def test_ranges_are_cut_where_either_document_cuts_them() -> None:
    wide = [f"{port}:{port}" for port in range(8000, 8010)]
    old, new = ranged(*wide), ranged(*wide[:5])
    changes = [
        change for change in compare(old, new).changes if change.target == "media" and change.source == "outside"
    ]

    assert {(8005, 8009)} == {(change.port, change.last_port) for change in changes if "disappeared" in change.kinds}
    assert not any(change.port in range(8000, 8005) for change in changes)


def workers(count: int, **others: Any) -> Any:
    """Return the plan of a file with services that are alike."""
    many = {f"worker-{i}": service("back", expose=(9000,)) for i in range(count)}
    return planned(shop(POLICY, **many, **others))


def test_services_that_are_alike_in_both_plans_are_not_listed() -> None:
    old, new = workers(6), workers(6, web=service("front"))
    changed = {place for change in compare(old, new).changes for place in (change.source, change.target)}

    assert old.alike
    assert "worker-3" not in changed


def test_a_service_that_joins_a_class_is_the_only_one_that_appears() -> None:
    old, new = workers(6), workers(7)
    changes = compare(old, new).changes

    assert old.alike != new.alike
    assert all("worker-6" in (change.source, change.target) for change in changes)
    places = {change.source for change in changes} | {change.target for change in changes}
    assert {f"worker-{i}" for i in range(7)} | {"app", "db", "proxy", "host", "outside"} == places


def test_services_that_become_a_class_do_not_disappear() -> None:
    old, new = workers(4), workers(5)

    assert not old.alike
    assert new.alike
    assert not [change for change in compare(old, new).changes if "disappeared" in change.kinds]
    assert not [change for change in compare(new, old).changes if "appeared" in change.kinds]


def test_replicas_that_are_alike_have_their_flows_to_each_other() -> None:
    old, new = (
        planned(shop(POLICY, **{f"worker-{i}": service("back", expose=(9000,), scale=2) for i in range(count)}))
        for count in (5, 6)
    )
    loops = {change.source for change in compare(old, new).changes if change.source == change.target}

    assert {"worker-5"} == loops


def test_classes_that_differ_and_are_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "MAX_PAIRS", 10)

    with pytest.raises(UsageError, match=r"36 pairs of services that are alike are too many to compare"):
        compare(workers(6), workers(7))
