"""Which event a proof is."""

from itertools import pairwise

import pytest

from cloison_view import project_events
from cloison_view.connections import ProofConnection
from cloison_view.project_events import Decision, Kind, Recorded


def wrong(judgement: str, source: str) -> ProofConnection:
    observed = "open" if judgement == "breach" else "shut"
    return ProofConnection(source, "db", "tcp", 3306, "shut", "shut", observed, judgement, True, (0,))  # noqa: FBT003


A, B, CLOSED = wrong("breach", "web"), wrong("breach", "cache"), wrong("broken", "api")
FINE = wrong("holds", "web")
NORMAL, UNPROVEN = ("proven", (FINE,)), ("unproven", (FINE,))


def breached(*connections: ProofConnection) -> tuple[str, tuple[ProofConnection, ...]]:
    return ("breached", (FINE, *connections))


def decide(before: Recorded, sent: tuple[str, tuple[ProofConnection, ...]], *, is_overdue: bool) -> Decision:
    return project_events.decide(before, sent[0], project_events.problems(sent[1]), is_overdue=is_overdue)


def kinds(*proofs: tuple[str, tuple[ProofConnection, ...]], state: str = "") -> list[str | None]:
    """Return the event of each proof, one after the other."""
    recorded, told = Recorded(state), []
    for word, found in proofs:
        decision = project_events.decide(recorded, word, project_events.problems(found), is_overdue=False)
        recorded = decision.recorded
        told.append(decision.kind and decision.kind.value)
    return told


@pytest.mark.parametrize(
    ("proofs", "expected"),
    [
        ([NORMAL, NORMAL], [None, None]),  # the first that is normal is no news
        ([breached(A)], ["breach"]),  # the first that is not is
        ([NORMAL, breached(A), breached(A), NORMAL, NORMAL], [None, "breach", None, "normal", None]),
        (
            [breached(A), breached(A, B), breached(B)],
            ["breach", "breach", None],
        ),  # a second one is told, one less is not
        ([breached(A), breached(B)], ["breach", "breach"]),
        ([NORMAL, breached(CLOSED), NORMAL], [None, "broken", "normal"]),
        ([breached(CLOSED), breached(CLOSED, A), breached(CLOSED)], ["broken", "breach", None]),
        ([NORMAL, UNPROVEN, UNPROVEN, NORMAL], [None, "unproven", None, "normal"]),
        ([breached(A), UNPROVEN, breached(A)], ["breach", "unproven", "breach"]),
        ([UNPROVEN], ["unproven"]),
        ([("drawn", (FINE,)), ("proven", (FINE,))], [None, None]),
    ],
)
def test_each_change_is_told_once(
    proofs: list[tuple[str, tuple[ProofConnection, ...]]], expected: list[str | None]
) -> None:
    assert expected == kinds(*proofs)


def test_only_those_that_became_wrong_are_named() -> None:
    first = decide(Recorded(""), breached(A), is_overdue=False)
    second = decide(first.recorded, breached(A, B, CLOSED), is_overdue=False)

    assert (A,) == first.gained
    assert (B,) == second.gained
    assert "cache → db 3306/tcp" in project_events.summary(Kind.BREACH, second.gained)


def test_a_proof_ends_the_time_without_one() -> None:
    assert ["normal"] == kinds(NORMAL, state="overdue")
    assert ["breach"] == kinds(breached(A), state="overdue")
    assert ["unproven"] == kinds(UNPROVEN, state="overdue")


def test_an_old_proof_does_not_end_it_unless_it_has_a_new_breach() -> None:
    before = Recorded("overdue")

    assert decide(before, NORMAL, is_overdue=True).kind is None
    assert before == decide(before, NORMAL, is_overdue=True).recorded
    assert decide(before, breached(A), is_overdue=True).kind is Kind.BREACH


def test_a_summary_names_three_and_fits() -> None:
    many = [wrong("breach", f"{'x' * 200}-{number}") for number in range(30)]
    few = [wrong("breach", f"s{number}") for number in range(4)]

    assert len(project_events.summary(Kind.BREACH, many)) <= project_events.MAX_SUMMARY
    assert project_events.summary(Kind.BREACH, few).startswith("4 connections are open and must be closed: s0 → db")
    assert project_events.summary(Kind.BREACH, few).endswith("and 1 more.")
    assert project_events.MAX_NAMED == len(project_events.details(many)["connections"])
    assert 30 == project_events.details(many)["total"]


def test_no_name_of_a_service_breaks_a_line() -> None:
    assert "\n" not in project_events.summary(Kind.BREACH, [wrong("breach", "a\nb\x1b[31m")])
    assert "\x1b" not in project_events.summary(Kind.BREACH, [wrong("breach", "a\nb\x1b[31m")])


def test_hashes_are_stored_and_read_again() -> None:
    recorded = decide(Recorded(""), breached(A, B), is_overdue=False).recorded

    assert recorded.problems == project_events.unpack(project_events.pack(recorded.problems))
    assert len(recorded.problems) == 2


def test_every_kind_has_its_words() -> None:
    sentences = [project_events.summary(kind, hours=3) for kind in Kind]

    assert set(Kind) == set(project_events.TITLES)
    assert all(first != second for first, second in pairwise(sorted(sentences)))
