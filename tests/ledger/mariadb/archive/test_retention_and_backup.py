"""Retention, backup and restore."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, inspect, text
from tests.ledger.sample_proofs import add_project, proof

from ledger.archive import backup, restore, retention
from ledger.archive.restore import RestoreError
from ledger.archive.store import Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Engine

DAY = 24 * 60  # minutes
FIRST_ACCOUNT = text(
    "INSERT INTO account (name, password, is_administrator, created) VALUES (:name, :password, 1, UTC_TIMESTAMP())"
)


@pytest.fixture
def archive(engine: Engine) -> Archive:
    archive = Archive(engine)
    add_project(engine, "shop")
    return archive


@pytest.fixture
def emptied(engine: Engine) -> Iterator[Engine]:
    """Return the same database, emptied when it is asked for the first time."""

    def empty() -> Engine:
        with engine.begin() as connection:
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
            for table in set(inspect(engine).get_table_names()) - backup.UNTOUCHED_TABLES:
                connection.execute(text(f"DELETE FROM `{table}`"))  # noqa: S608 - the name is the database's own
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
        return engine

    return empty  # type: ignore[return-value]


@pytest.fixture
def pairs(engine: Engine) -> Iterator[Table]:
    """Return a table whose key has two columns, with rows in the wrong order."""
    table = Table("pairs", MetaData(), *(Column(name, Integer, primary_key=True) for name in "ab"))
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(table), [{"a": a, "b": b} for a in (2, 1) for b in (3, 1, 2)])
    yield table
    table.drop(engine)


def digests(archive: Archive, project: str = "shop") -> list[str]:
    return [record.digest for record in archive.proofs(project, limit=500).records]


def test_changes_stay_and_expired_repeats_are_deleted(archive: Archive, engine: Engine) -> None:
    states = ["shut"] * 3 + ["open"] * 3
    minutes = [day * DAY + hour * 60 for day in range(8) for hour in (1, 2, 3)]
    kept = [archive.save("shop", proof(minute, app=states[i % 6])).digest for i, minute in enumerate(minutes)]
    intervals = archive.intervals("shop")
    retention.set_retention(engine, "shop", all_days=1, daily_days=4)
    # Seen from the end of the eighth day: the eighth is kept whole, four more by the day, the others' changes alone.
    (thinned,) = retention.apply_retention(engine, datetime(2026, 1, 9))  # noqa: DTZ001
    changes = {kept[i] for i in range(0, 24, 3)}
    dailies = {kept[day * 3 + 2] for day in range(4, 7)}

    assert changes | dailies | set(kept[21:]) == set(digests(archive))
    assert (24 - len(digests(archive)), len(digests(archive))) == (thinned.removed, thinned.remaining)
    assert intervals == archive.intervals("shop")
    assert [(True, 0), (False, 1)] == sorted(
        {(record.repeats, record.changes) for record in archive.proofs("shop").records}
    )[::-1]


def test_a_second_retention_run_deletes_nothing(archive: Archive, engine: Engine) -> None:
    for minute in range(0, 5 * DAY, 300):
        archive.save("shop", proof(minute, app="open"))
    retention.set_retention(engine, "shop", all_days=0, daily_days=2)
    first = retention.apply_retention(engine, datetime(2026, 1, 6))  # noqa: DTZ001
    second = retention.apply_retention(engine, datetime(2026, 1, 6))  # noqa: DTZ001

    assert first[0].removed > 0
    assert 0 == second[0].removed


@pytest.mark.parametrize(("all_days", "daily_days"), [(-1, 2), (3, 2), (1, 40_000)])
def test_invalid_retention_settings_are_an_error(
    archive: Archive, engine: Engine, all_days: int, daily_days: int
) -> None:
    with pytest.raises(ValueError, match="daily"):
        retention.set_retention(engine, "shop", all_days=all_days, daily_days=daily_days)
    with pytest.raises(LookupError, match="nobody"):
        retention.set_retention(engine, "nobody", all_days=1, daily_days=2)


def test_a_backup_made_while_proofs_arrive_restores_one_moment(
    archive: Archive, engine: Engine, emptied: object
) -> None:
    for minute in range(30):
        archive.save("shop", proof(minute, app="open" if minute % 3 else "shut"))
    stop = threading.Event()

    def go_on() -> None:
        minute = 100
        while not stop.is_set():
            archive.save("shop", proof(minute, app="open" if minute % 2 else "shut"))
            minute += 1

    writer = threading.Thread(target=go_on)
    writer.start()
    stream = io.BytesIO()
    try:
        row_counts = backup.write(engine, stream)
    finally:
        stop.set()
        writer.join()
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as tar:
        saved = {name.partition("-")[2].removesuffix(".json") for name in tar.getnames() if name.startswith("proofs/")}
    everything = set(digests(archive))
    emptied()  # type: ignore[operator]
    restored = restore.read(engine, io.BytesIO(stream.getvalue()))

    assert row_counts == restored
    assert len(saved) == row_counts["proof"] >= 30
    assert saved == set(digests(archive)) <= everything
    # What is there is what one gets who keeps the same proofs from the start.
    add_project(engine, "again")
    for digest in reversed(digests(archive)):
        archive.save("again", archive.body("shop", digest) or b"", other_name=True)
    assert archive.intervals("shop") == archive.intervals("again")
    assert archive.save("shop", proof(5000, app="open")).is_new


def test_a_ledger_with_data_is_not_restored_into(archive: Archive, engine: Engine) -> None:
    stream = io.BytesIO()
    backup.write(engine, stream)

    with pytest.raises(RestoreError, match="project"):
        restore.read(engine, io.BytesIO(stream.getvalue()))


@pytest.mark.parametrize(
    "damage", ["cut", "text", "empty", "body", "name", "bit", "revision", "headless", "short", "endless", "twice"]
)
def test_a_damaged_backup_changes_nothing(archive: Archive, engine: Engine, emptied: object, damage: str) -> None:
    archive.save("shop", proof(app="open"))
    stream = io.BytesIO()
    backup.write(engine, stream)
    emptied()  # type: ignore[operator]

    with pytest.raises(RestoreError):
        restore.read(engine, io.BytesIO(damaged(stream.getvalue(), damage)))
    assert [] == archive.projects(None)


def damaged(whole: bytes, damage: str) -> bytes:
    if damage in PLAINLY:
        return PLAINLY[damage](whole)
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(whole)) as old, tarfile.open(fileobj=out, mode="w:gz") as new:
        for member in old:
            held = old.extractfile(member)
            content = held.read() if held else b""
            name, content = touched(damage, member.name, content)
            if not name:
                continue
            for info in [tarfile.TarInfo(name)] * (2 if damage == "twice" and "/project/" in name else 1):
                info.size = len(content)
                new.addfile(info, io.BytesIO(content))
    return out.getvalue()


PLAINLY: Mapping[str, Callable[[bytes], bytes]] = {
    "cut": lambda whole: whole[: len(whole) * 2 // 3],
    "text": lambda _: b"no backup at all",
    "empty": lambda _: b"",
    "bit": lambda whole: whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:],  # in the checksum, so the rest reads well
}


def touched(damage: str, name: str, content: bytes) -> tuple[str, bytes]:
    """Return a member after the damage; without a name when it is gone."""
    if damage == "body" and name.startswith("proofs/"):
        return name, content.replace(b"open", b"shut")
    if damage == "name" and name.startswith("proofs/"):
        content = content.replace(b"open", b"shut")
        return f"{name.partition('-')[0]}-{hashlib.sha256(content).hexdigest()}.json", content
    if damage == "revision" and name == "ledger.json":
        return name, json.dumps({"form": 1, "revision": "0000"}).encode()
    gone = {"headless": "ledger.json", "short": "tables/proof/", "endless": "end.json"}.get(damage)
    return ("" if gone and name.startswith(gone) else name), content


def test_rows_of_the_first_start_are_replaced(archive: Archive, engine: Engine, emptied: object) -> None:
    archive.save("shop", proof(app="open"))
    kept = digests(archive)
    with engine.begin() as connection:
        connection.execute(FIRST_ACCOUNT, {"name": "admin", "password": "old"})
    stream = io.BytesIO()
    backup.write(engine, stream)
    emptied()  # type: ignore[operator]
    with engine.begin() as connection:
        connection.execute(FIRST_ACCOUNT, {"name": "admin", "password": "new"})
    restore.read(engine, io.BytesIO(stream.getvalue()))

    assert kept == digests(archive)
    with engine.connect() as connection:
        assert [("admin", "old")] == [
            tuple(row) for row in connection.execute(text("SELECT name, password FROM account"))
        ]


def test_a_ledger_with_two_accounts_has_data(engine: Engine, archive: Archive, emptied: object) -> None:
    stream = io.BytesIO()
    backup.write(engine, stream)
    emptied()  # type: ignore[operator]
    with engine.begin() as connection:
        connection.execute(FIRST_ACCOUNT, [{"name": name, "password": "x"} for name in ("admin", "eve")])

    with pytest.raises(RestoreError, match="account"):
        restore.read(engine, io.BytesIO(stream.getvalue()))


def test_a_key_of_two_columns_is_read_in_pieces(pairs: Table, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "ROWS_PER_FILE", 2)
    with engine.connect() as connection:
        row_batches = list(backup.row_batches(connection, pairs))

    assert [[(1, 1), (1, 2)], [(1, 3), (2, 1)], [(2, 2), (2, 3)]] == [
        [(row["a"], row["b"]) for row in piece] for piece in row_batches
    ]


def test_tables_are_read_in_pieces(
    archive: Archive, engine: Engine, emptied: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "ROWS_PER_FILE", 3)
    monkeypatch.setattr(backup, "DOCUMENTS_PER_QUERY", 2)
    for minute in range(7):
        archive.save("shop", proof(minute, app="open" if minute % 2 else "shut"))
    intervals = archive.intervals("shop")
    stream = io.BytesIO()
    backup.write(engine, stream)
    emptied()  # type: ignore[operator]
    restore.read(engine, io.BytesIO(stream.getvalue()))

    assert intervals == archive.intervals("shop")
    assert 7 == len(digests(archive))
