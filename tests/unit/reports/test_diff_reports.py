"""The reports of a diff: what is worse first, one line for what differs in protocol and network only."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.diff.sample_diffs import base, difference
from tests.unit.plan.sample_documents import POLICY, planned, service, shop
from tests.unit.reports.sample_project import world
from tests.unit.reports.sample_proofs import PROOFS, STACK

from cloison.diff.compare import compare
from cloison.diff.schema import ChangePart, Diff
from cloison.reports import diff_lines, diff_markdown, diff_terminal, markdown

BREACH = ("shut", "open", "breach")


def terminal(diff: Diff) -> str:
    """Return the report for a terminal, in one line."""
    return " ".join(diff_terminal.render(diff, color=False, width=100).split())


@pytest.mark.parametrize(
    ("diff", "word"),
    [
        (compare(base(), base()), "THE SAME"),
        (difference(None, ("open", "open", "holds")), "CHANGED"),
        (difference(None, BREACH), "WORSE"),
    ],
    ids=["same", "changed", "worse"],
)
def test_the_result_comes_first(diff: Diff, word: str) -> None:
    assert terminal(diff).startswith(f"{word} shop · proof ")
    assert diff_markdown.render(diff).startswith(f"### {diff_markdown.MARKS[word]} {word} · shop · proof ")


def test_the_counts_say_what_happened() -> None:
    assert "1 flow differs, 1 for the worse: 1 became a breach, 1 opened, 1 appeared" in terminal(
        difference(None, BREACH)
    )
    assert "no flow differs" in terminal(compare(base(), base()))


def test_a_worse_change_has_its_reason_and_what_it_was() -> None:
    found = terminal(difference(("tolerated", "open", "tolerated"), BREACH))

    assert "Worse - app -> db:3306 on back: was open (tolerated), is open (a breach) why why" in found


def test_other_changes_stand_under_what_happened() -> None:
    found = terminal(difference(BREACH, ("shut", "shut", "holds")))

    assert "Closed and no longer wrong - app -> db:3306 on back: was open (a breach), is closed (as intended)" in found


def test_the_removed_policy_and_lost_coverage_are_told() -> None:
    new = world(STACK).proof()
    absent = replace(new, coverage=replace(new.coverage, absent=["db"]))
    diff = compare(base(), absent)

    for text in (terminal(diff), diff_markdown.render(diff)):
        assert "the policy was removed: nothing is proven of the file any more" in text
        assert "db is not covered any more: a container is missing" in text


def lines(*changes: ChangePart) -> list[str]:
    """Return the lines about changes."""
    diff = compare(base(), base())
    return [line.sentence for line in diff_lines.lines(replace(diff, changes=list(changes)))]


CHANGE = difference(None, BREACH).changes[0]
IS = ": was absent, is open (a breach)"


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ([{}], "app -> db:3306 on back"),
        ([{"protocol": "udp"}], "app -> db:3306/udp on back"),
        ([{"last_port": 3310}], "app -> db:3306-3310 on back"),
        ([{"port": 0, "protocol": "tcp"}, {"port": 0, "protocol": "udp"}], "app -> db:* on back"),
        ([{"port": 0, "protocol": "udp"}], "app -> db:*/udp on back"),
        ([{"ip": 6}], "app -> db:3306 on back over IPv6"),
        ([{"ip": 4}, {"ip": 6, "network": "front"}], "app -> db:3306 on back and front"),
        ([{"network": ""}], "app -> db:3306"),
    ],
)
def test_changes_of_one_kind_are_one_line(members: list[dict[str, object]], line: str) -> None:
    assert [line + IS] == lines(*(replace(CHANGE, **member) for member in members))


def large() -> Diff:
    """Return the difference of a file with many new services that share a network without need."""
    many = {f"service-{i}": service("back", expose=(80 + i,)) for i in range(4)}
    return compare(planned(shop(POLICY)), planned(shop({"allow": POLICY["allow"]}, **many)))


def test_what_is_left_out_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff_terminal, "MAX_LINES", 3)
    monkeypatch.setattr(diff_terminal, "MAX_OTHERS", 2)
    monkeypatch.setattr(markdown, "MAX_ROWS", 3)

    assert "more worse changes: --format json shows all" in terminal(large())
    assert "more changes: --format json shows all" in terminal(large())
    assert "more entries | | |" in diff_markdown.render(large())


def test_many_lost_parts_are_counted() -> None:
    new = replace(base(), coverage=replace(base().coverage, absent=[f"db-{i}" for i in range(12)]))

    assert "**Worse:** and 2 more parts not covered any more" in diff_markdown.render(compare(base(), new))


def test_the_markdown_folds_everything_and_escapes_names() -> None:
    diff = difference(None, BREACH)
    named = replace(diff, changes=[replace(diff.changes[0], source="</details>@team", reason="`a|b`")])
    text = diff_markdown.render(named)

    assert "<summary>Worse, in full (1)</summary>" in text
    assert text.count("</details>") == text.count("<details>")
    assert "@team" not in text
    assert "a&#124;b" in text


def test_every_sample_renders() -> None:
    for make in PROOFS.values():
        diff = compare(PROOFS["tolerated"](), make())
        assert terminal(diff)
        assert diff_markdown.render(diff)
