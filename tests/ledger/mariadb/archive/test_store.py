"""The archive: storing proofs, and the intervals of connections."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, text
from tests.ledger import sample_proofs
from tests.ledger.sample_proofs import proof

from ledger.accounts.errors import InputError as NotAdded
from ledger.archive import rebuild, store
from ledger.archive.insert_proof import Arrival
from ledger.archive.interval_rows import InconsistentIntervalsError
from ledger.archive.store import Archive
from ledger.archive.validate import InvalidProofError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ledger.archive.records import Interval


@pytest.fixture
def archive(engine: Engine) -> Archive:
    archive = Archive(engine)
    sample_proofs.add_project(engine, "shop")
    return archive


def at(minute: int) -> datetime:
    return datetime(2026, 1, 1 + minute // 1440, minute // 60 % 24, minute % 60)  # noqa: DTZ001


def story(intervals: list[Interval]) -> list[tuple[str, str, datetime, datetime | None]]:
    return [(interval.source, interval.observed, interval.since, interval.until) for interval in intervals]


def test_a_proof_comes_back_byte_for_byte(archive: Archive) -> None:
    sent = proof(app="open")
    kept = archive.save("shop", sent)

    assert sent == archive.body("shop", kept.digest)
    assert kept.is_new


def test_the_same_proof_is_kept_once(archive: Archive) -> None:
    first, second = archive.save("shop", proof(app="open")), archive.save("shop", proof(app="open"))

    assert (first.digest, False) == (second.digest, second.is_new)
    assert 1 == len(archive.proofs("shop").records)


def test_two_projects_may_keep_the_same_proof(archive: Archive, engine: Engine) -> None:
    sample_proofs.add_project(engine, "other")

    assert archive.save("shop", proof(app="open")).is_new
    assert archive.save("other", proof(app="open"), other_name=True).is_new


def test_a_connection_has_an_interval_for_each_state(archive: Archive) -> None:
    for minute, state in enumerate(["shut", "shut", "open", "open", "shut"]):
        archive.save("shop", proof(minute, app=state))

    assert [
        ("app", "shut", at(0), at(2)),
        ("app", "open", at(2), at(4)),
        ("app", "shut", at(4), None),
    ] == story(archive.intervals("shop", target="db"))


def test_intervals_at_a_time_show_open_connections(archive: Archive) -> None:
    for minute, (app, proxy) in enumerate([("shut", "open"), ("open", "open"), ("open", "shut")]):
        archive.save("shop", proof(minute, app=app, proxy=proxy))

    def could(minute: int) -> list[str]:
        return [interval.source for interval in archive.intervals("shop", target="db", observed="open", at=at(minute))]

    assert [["proxy"], ["app", "proxy"], ["app"]] == [could(0), could(1), could(2)]


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let every proof be added as a small one, or as a large one is."""
    if request.param == "large":
        monkeypatch.setattr(store, "LARGE_FLOWS", 0)
    return str(request.param)


@pytest.mark.usefixtures("size")
def test_intervals_do_not_depend_on_the_order_of_arrival(archive: Archive, engine: Engine) -> None:
    chance = random.Random(20)  # noqa: S311 - the same stories each time
    for number in range(25):
        stories = [
            {place: chance.choice(["open", "shut"]) for place in ("app", "proxy") if chance.random() < 0.8}
            for _ in range(7)
        ]
        sent = [proof(minute, **(story or {"outside": "shut"})) for minute, story in enumerate(stories)]
        in_order, shuffled = f"in-order-{number}", f"shuffled-{number}"
        for name in (in_order, shuffled):
            sample_proofs.add_project(engine, name)
        for one in sent:
            archive.save(in_order, one, other_name=True)
        chance.shuffle(sent)
        for one in sent:
            archive.save(shuffled, one, other_name=True)

        assert archive.intervals(in_order) == archive.intervals(shuffled)
        assert [(one.repeats, one.changes) for one in archive.proofs(in_order).records] == [
            (one.repeats, one.changes) for one in archive.proofs(shuffled).records
        ]
        assert archive.projects(frozenset({in_order}))[0].trend == archive.projects(frozenset({shuffled}))[0].trend


def test_proofs_with_the_same_start_are_ordered_by_arrival(archive: Archive) -> None:
    for state in ("shut", "open"):
        archive.save("shop", proof(3, app=state))
    archive.save("shop", proof(1, app="open"))

    assert ["open", "shut", "open"] == [interval.observed for interval in archive.intervals("shop")]


def test_a_list_goes_on_where_it_stopped(archive: Archive) -> None:
    kept = [archive.save("shop", proof(minute, app="open")).digest for minute in range(5)]
    first = archive.proofs("shop", limit=2)
    second = archive.proofs("shop", limit=2, before=first.next)
    third = archive.proofs("shop", limit=2, before=second.next)

    assert kept[::-1] == [record.digest for page in (first, second, third) for record in page.records]
    assert third.next is None


def test_a_list_may_leave_out_repeats(archive: Archive) -> None:
    kept = [
        archive.save("shop", proof(minute, app=state)).digest for minute, state in enumerate(["open"] * 3 + ["shut"])
    ]

    assert [kept[3], kept[0]] == [record.digest for record in archive.proofs("shop", only_changes=True).records]


def test_an_invalid_cursor_is_an_error(archive: Archive) -> None:
    with pytest.raises(ValueError, match="before"):
        archive.proofs("shop", before="yesterday")


def test_adjacent_proofs_are_ordered_by_start(archive: Archive) -> None:
    kept = [archive.save("shop", proof(minute, app="open")).digest for minute in (1, 3, 2)]

    assert (kept[0], kept[1]) == archive.adjacent_proofs("shop", kept[2])
    assert (None, None) == archive.adjacent_proofs("shop", "0" * 64)


def test_a_project_shows_its_last_proof_and_its_last_change(archive: Archive) -> None:
    kept = [
        archive.save("shop", proof(minute, app=state)).digest for minute, state in enumerate(["open", "shut", "shut"])
    ]
    (record,) = archive.projects(None)

    assert record.last is not None
    assert record.changed is not None
    assert (kept[2], kept[1]) == (record.last.digest, record.changed.digest)
    assert (("breached", "proven", "proven"), 3) == (record.trend, record.proofs)
    assert [] == archive.projects(frozenset())


def test_a_badge_is_found_by_its_key_alone(archive: Archive) -> None:
    archive.save("shop", proof(app="open"))
    key = archive.projects(None)[0].badge_key
    found = archive.badge(key)

    assert found is not None
    assert ("shop", "breached") == (found[0], found[1].word if found[1] else None)
    assert archive.badge("0" * 32) is None


@pytest.mark.parametrize("name", ["", "Shop", "-shop", "a" * 64, "a b", "../x"])
def test_a_project_needs_a_name(archive: Archive, name: str, engine: Engine) -> None:
    with pytest.raises(NotAdded, match="A project's name"):
        sample_proofs.add_project(engine, name)


def test_a_project_is_made_once(archive: Archive, engine: Engine) -> None:
    with pytest.raises(NotAdded, match="already"):
        sample_proofs.add_project(engine, "shop")


def test_a_proof_of_an_unknown_project_is_not_stored(archive: Archive) -> None:
    with pytest.raises(LookupError, match="nobody"):
        archive.save("nobody", proof(app="open"), other_name=True)


def cut(document: dict[str, object]) -> None:
    del document["engine"]


def point_away(document: dict[str, object]) -> None:
    document["flows"][0]["endpoint"] = 7  # type: ignore[index]


def miscount(document: dict[str, object]) -> None:
    document["totals"]["breach"] = 9  # type: ignore[index]


def ask_nothing(document: dict[str, object]) -> None:
    document["flows"], document["totals"] = [], {}


def add_a_member(document: dict[str, object]) -> None:
    document["more"] = 1


def begin_never(document: dict[str, object]) -> None:
    document["started"] = "yesterday"


def begin_nowhere(document: dict[str, object]) -> None:
    document["started"] = "2026-01-01T00:00:00"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "engine"),
        (point_away, "flows/0"),
        (miscount, "totals"),
        (ask_nothing, "coverage: flows and unknown do not match the flows"),
        (add_a_member, "more"),
        (begin_never, "started"),
        (begin_nowhere, "started"),
    ],
)
def test_an_invalid_proof_is_an_error(archive: Archive, damage: Callable[[dict[str, object]], None], said: str) -> None:
    document = sample_proofs.document({("app", "db", 3306): sample_proofs.OPEN})
    damage(document)

    with pytest.raises(InvalidProofError, match=said):
        archive.save("shop", sample_proofs.body(document))


@pytest.mark.parametrize("damaged", [b"", b"{", b"\xff", b"[]", b"null", b"[" * 100_000, b'{"a":1e999}'])
def test_an_invalid_document_is_an_error(archive: Archive, damaged: bytes) -> None:
    with pytest.raises(InvalidProofError):
        archive.save("shop", damaged)


def test_bytes_that_are_not_canonical_are_refused(archive: Archive) -> None:
    sent = proof(app="open")

    for damaged in (sent + b"\n", sent.replace(b'"notes":[]', b'"notes": []'), sent[:-1] + b',"notes":[]}'):
        with pytest.raises(InvalidProofError, match="canonical"):
            archive.save("shop", damaged)


@pytest.mark.usefixtures("size")
def test_concurrent_clients_lose_no_proof(archive: Archive) -> None:
    sent = [proof(minute, app="open" if minute % 3 else "shut") for minute in range(24)]
    troubles: list[Exception] = []

    def send(mine: list[bytes]) -> None:
        try:
            for one in mine:
                archive.save("shop", one)
        except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
            troubles.append(error)

    senders = [threading.Thread(target=send, args=(sent[start::3] + sent[start::4],)) for start in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    assert [] == troubles
    assert 24 == len(archive.proofs("shop", limit=100).records)
    assert [at(minute) for minute in range(24)] == [
        record.started for record in archive.proofs("shop", limit=100).records[::-1]
    ]
    for earlier, later in zip(archive.intervals("shop")[:-1], archive.intervals("shop")[1:], strict=True):
        assert earlier.until == later.since


def test_a_large_proof_is_stored_once(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LARGE_FLOWS", 0)

    assert [True, False] == [archive.save("shop", proof(app="open")).is_new for _ in range(2)]


def statements_under_the_lock(engine: Engine, save: Callable[[], object]) -> list[str]:
    """Return the statements from the lock of the project to the commit, each by its first words."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        sent.append("lock" if "FOR UPDATE" in statement else " ".join(statement.split()[:3]))

    def note_commit(_connection: object) -> None:
        sent.append("commit")

    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", note_commit)
    save()
    event.remove(engine, "before_cursor_execute", note)
    event.remove(engine, "commit", note_commit)
    locked = sent[sent.index("lock") + 1 :]
    return locked[: locked.index("commit")]


def test_while_a_large_proof_has_the_lock_no_row_of_its_changes_is_sent_or_deleted(
    archive: Archive, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LARGE_FLOWS", 0)
    sources = [f"s{number}" for number in range(1500)]  # more than one statement of `interval_rows` takes
    archive.save("shop", proof(0, **dict.fromkeys(sources, "open")))
    archive.save("shop", proof(1, **dict.fromkeys(sources, "shut")))  # makes the row for notifications
    few = statements_under_the_lock(engine, lambda: archive.save("shop", proof(2, s0="shut")))
    many = statements_under_the_lock(engine, lambda: archive.save("shop", proof(3, **dict.fromkeys(sources, "shut"))))

    assert len(many) <= len(few) + 1 <= 14
    assert not [statement for statement in many if statement.startswith("DELETE") or "staged_interval (" in statement]
    assert 1 == many.count("INSERT INTO spell")
    with engine.connect() as connection:
        assert 0 == connection.scalar(text("SELECT COUNT(*) FROM staged_interval"))


def test_a_large_proof_changes_what_it_must_when_another_arrives_meanwhile(
    archive: Archive, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LARGE_FLOWS", 0)
    other = Archive(engine)
    archive.save("shop", proof(0, app="open"))
    meanwhile = iter([proof(1, app="shut"), proof(2, app="open"), proof(3, app="shut")])
    plan_ahead = archive._plan_ahead  # noqa: SLF001 - another client comes between plan and lock

    def planned_too_early(project: str, new: Arrival) -> object:
        ahead = plan_ahead(project, new)
        other.save("shop", next(meanwhile))
        return ahead

    monkeypatch.setattr(archive, "_plan_ahead", planned_too_early)
    archive.save("shop", proof(4, app="open"))

    assert ["open", "shut", "open", "shut", "open"] == [one.observed for one in archive.intervals("shop")]
    assert next(meanwhile, None) is None


def test_intervals_that_do_not_follow_from_the_proofs_are_told_and_rebuilt(
    archive: Archive, engine: Engine, size: str
) -> None:
    archive.save("shop", proof(0, app="open"))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM spell"))
    with pytest.raises(InconsistentIntervalsError, match="1 connections have 0 intervals"):
        archive.save("shop", proof(1, app="shut"))
    assert ["shop"] == rebuild.rebuild_named(engine, None)

    assert archive.save("shop", proof(1, app="shut")).is_new, size
    assert ["open", "shut"] == [one.observed for one in archive.intervals("shop")]


def rows_read(engine: Engine, question: Callable[[], object]) -> int:
    """Return how many rows the server read for a question that one connection asks."""

    def read() -> tuple[int, int]:
        with engine.connect() as connection:
            counted = connection.execute(text("SHOW SESSION STATUS LIKE 'Handler\\_read\\_%'"))
            return connection.scalar(text("SELECT CONNECTION_ID()")) or 0, sum(int(number) for _, number in counted)

    read()
    before = read()
    question()
    after = read()

    assert before[0] == after[0]
    return after[1] - before[1]


QUESTIONS: dict[str, Callable[[Archive], object]] = {
    "the projects": lambda archive: archive.projects(None),
    "the last page": lambda archive: archive.proofs("shop", limit=5),
    "a page in the middle": lambda archive: archive.proofs("shop", limit=5, before=f"{MIDDLE}-999999"),
    "the changes": lambda archive: archive.proofs("shop", limit=5, only_changes=True),
    "who can reach db": lambda archive: archive.intervals("shop", target="db", observed="open", at=at(10_000)),
    "every door now": lambda archive: archive.intervals("shop", at=at(10_000)),
    "the neighbours": lambda archive: archive.adjacent_proofs(
        "shop", hashlib.sha256(proof(20, app="open")).hexdigest()
    ),
}
MIDDLE = 1_767_226_200_000  # milliseconds; ten minutes into 2026


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_rows_of_a_query_do_not_grow_with_the_proofs(archive: Archive, engine: Engine, question: str) -> None:
    def flap(minutes: range) -> None:
        for minute in minutes:
            archive.save("shop", proof(minute, app="shut" if minute % 2 else "open"))

    flap(range(30))
    few = rows_read(engine, lambda: QUESTIONS[question](archive))
    flap(range(30, 120))
    many = rows_read(engine, lambda: QUESTIONS[question](archive))

    assert 0 < many <= few + 3


def test_an_append_reads_what_it_read_before(archive: Archive, engine: Engine) -> None:
    def append(minute: int) -> int:
        return rows_read(engine, lambda: archive.save("shop", proof(minute, app="shut" if minute % 2 else "open")))

    for minute in range(40):
        archive.save("shop", proof(minute, app="shut" if minute % 2 else "open"))
    few = append(40)
    for minute in range(41, 161):
        archive.save("shop", proof(minute, app="shut" if minute % 2 else "open"))

    assert append(161) <= few + 3
