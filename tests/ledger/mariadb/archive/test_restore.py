"""A backup from somewhere else: nothing in it is trusted."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import inspect, text
from tests.ledger.sample_proofs import OPEN, add_project, body, document, proof

from ledger.__main__ import main
from ledger.archive import backup, restore
from ledger.archive import cli as archive_cli
from ledger.archive.restore import RestoreError
from ledger.archive.store import Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlalchemy import Engine

Members = list[tuple[str, bytes]]


@pytest.fixture
def archive(engine: Engine) -> Archive:
    archive = Archive(engine)
    add_project(engine, "shop")
    for minute, state in enumerate(("open", "shut", "shut")):
        archive.save("shop", proof(minute, app=state))
    return archive


@pytest.fixture
def members(archive: Archive, engine: Engine) -> Members:
    """The members of a backup of a ledger, which is empty afterwards."""
    stream = io.BytesIO()
    backup.write(engine, stream)
    with engine.begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for table in set(inspect(engine).get_table_names()) - backup.UNTOUCHED_TABLES:
            connection.execute(text(f"DELETE FROM `{table}`"))  # noqa: S608 - the name is the database's own
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
    assert [] == archive.projects(None)
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as tar:
        return [(member.name, (tar.extractfile(member) or io.BytesIO()).read()) for member in tar]


def packed(members: Members) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return io.BytesIO(out.getvalue())


def edited(members: Members, start: str, edit: Callable[[bytes], bytes]) -> Members:
    assert any(name.startswith(start) for name, _ in members)
    return [(name, edit(content) if name.startswith(start) else content) for name, content in members]


def with_row(**values: Any) -> Callable[[bytes], bytes]:
    return lambda content: b"".join(
        json.dumps(json.loads(line) | values).encode() + b"\n" for line in content.splitlines()
    )


DAMAGES: Mapping[str, Callable[[Members], Members]] = {
    "a row that is a list": lambda found: edited(found, "tables/project/", lambda _: b"[1, 2]\n"),
    "a row that is a number": lambda found: edited(found, "tables/proof/", lambda _: b"7\n"),
    "a row without a column": lambda found: edited(found, "tables/project/", lambda _: b'{"id": 1}\n'),
    "a row with a column more": lambda found: edited(found, "tables/project/", with_row(more=1)),
    "a row with a word for a number": lambda found: edited(found, "tables/project/", with_row(id="x")),
    "a row with a list for a time": lambda found: edited(found, "tables/project/", with_row(created=[1])),
    "a row with a name that is too long": lambda found: edited(found, "tables/project/", with_row(name="x" * 99)),
    "a row of no project": lambda found: edited(found, "tables/proof/", with_row(project_id=999)),
    "a head that is a list": lambda found: edited(found, "ledger.json", lambda _: b"[]"),
    "a head that is a word": lambda found: edited(found, "ledger.json", lambda _: b'"head"'),
    "a head without a revision": lambda found: edited(found, "ledger.json", lambda _: b'{"form": 2}'),
    "deep JSON": lambda found: edited(found, "tables/project/", lambda _: b"[" * 100_000 + b"]" * 100_000),
    "a deep head": lambda found: edited(found, "ledger.json", lambda _: b'{"a":' * 100_000),
    "a member of another name": lambda found: [found[0], ("/etc/passwd", b"root"), *found[1:]],
    "a table that is not part of it": lambda found: [found[0], ("tables/session/000000.jsonl", b"{}\n"), *found[1:]],
    "a table that does not exist": lambda found: [found[0], ("tables/x/000000.jsonl", b"{}\n"), *found[1:]],
    "a member after the end": lambda found: [*found, found[1]],
    "two ends": lambda found: [*found, found[-1]],
    "a proof of no number": lambda found: [*found[:-1], (f"proofs/x-{'0' * 64}.json", b"{}"), found[-1]],
    "text that is not UTF-8": lambda found: edited(found, "tables/project/", lambda _: b"\xff\xfe\n"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_whatever_is_wrong_is_one_sentence_and_changes_nothing(
    archive: Archive, engine: Engine, members: Members, damage: Callable[[Members], Members]
) -> None:
    with pytest.raises(RestoreError) as refused:
        restore.read(engine, packed(damage(members)))

    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith((".", "upgrade."))
    assert [] == archive.projects(None)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.XHDTYPE])
def test_a_member_that_is_no_file_is_refused(engine: Engine, members: Members, kind: bytes) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo(members[0][0])
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)

    with pytest.raises(RestoreError, match="not a complete backup"):
        restore.read(engine, io.BytesIO(out.getvalue()))


@pytest.mark.parametrize(
    "kind", ["tables/project/000000.jsonl", "proofs/1-" + "0" * 64 + ".json", "ledger.json", "pax"]
)
def test_a_member_of_any_size_needs_bounded_memory(engine: Engine, tmp_path: Path, members: Members, kind: str) -> None:
    size, path = 300 << 20, tmp_path / "backup"
    info = tarfile.TarInfo(kind)
    info.size = size
    if kind == "pax":
        info.type = tarfile.XHDTYPE
    zeros = b"0" * (1 << 20)
    with gzip.open(path, "wb", compresslevel=1) as stream:
        if kind != "ledger.json":
            stream.write(gzip.decompress(packed(members[:1]).getvalue())[:1024])
        stream.write(info.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(size // len(zeros)):
            stream.write(zeros)
    tracemalloc.start()
    try:
        with path.open("rb") as stream, pytest.raises(RestoreError):
            restore.read(engine, stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 2 * restore.MEMBER_LIMIT


def test_what_is_shown_follows_from_the_proofs_alone(archive: Archive, engine: Engine, members: Members) -> None:
    lies = edited(members, "tables/project/", with_row(trend="zzz", proofs=77, last_proof=None, changed_proof=12345))
    lies = edited(
        lies, "tables/proof/", with_row(word="proven", exit_code=0, repeats=0, changes=9, started="2999-01-01")
    )
    restore.read(engine, packed(lies))

    (record,) = archive.projects(None)
    assert (("breached", "proven", "proven"), 3) == (record.trend, record.proofs)
    assert [("proven", True, 0), ("proven", False, 1), ("breached", False, 1)] == [
        (found.word, found.repeats, found.changes) for found in archive.proofs("shop").records
    ]
    assert record.last == archive.proofs("shop").records[0]
    assert ["open", "shut"] == [found.observed for found in archive.intervals("shop")]


def with_a_lie(members: Members) -> Members:
    """Return a backup in which the first proof is a breach that says of itself that it is proven."""
    lie = document({("app", "db", 3306): OPEN})
    lie["verdict"] = {"word": "proven", "exit_code": 0}
    content, first = body(lie), next(name for name, _ in members if name.startswith("proofs/"))
    digest, number = hashlib.sha256(content), first.partition("/")[2].partition("-")[0]
    old = bytes.fromhex(first.partition("-")[2].removesuffix(".json"))
    rows = edited(
        members,
        "tables/proof/",
        lambda rows: rows.replace(backup._to_json(old).encode(), backup._to_json(digest.digest()).encode()),  # noqa: SLF001
    )
    name = f"proofs/{number}-{digest.hexdigest()}.json"
    return [(name, content) if found == first else (found, held) for found, held in rows]


def test_a_proof_that_lies_is_refused_or_left_out(archive: Archive, engine: Engine, members: Members) -> None:
    lying = with_a_lie(members)
    with pytest.raises(RestoreError, match=r"proofs/.*verdict: it says proven .* give breached .*--without-invalid"):
        restore.read(engine, packed(lying))
    assert [] == archive.projects(None)
    told: list[str] = []

    assert 2 == restore.read(engine, packed(lying), left_out=told.append)["proof"]
    assert 1 == len(told)
    assert told[0].startswith("left out proofs/")
    assert (("proven", "proven"), 2) == (archive.projects(None)[0].trend, archive.projects(None)[0].proofs)
    assert ["shut"] == [found.observed for found in archive.intervals("shop")]


def test_the_verb_leaves_out_what_is_invalid_if_asked(
    archive: Archive,
    engine: Engine,
    members: Members,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(archive_cli, "engine_for", lambda _: engine)

    def run(*argv: str) -> int:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(packed(with_a_lie(members))))
        return main(["restore", *argv])

    assert 1 == run()
    assert "With --without-invalid the other proofs are restored." in capsys.readouterr().err
    assert 0 == run("--without-invalid")
    assert "2 proofs of 1 projects restored" in capsys.readouterr().err
    assert 2 == len(archive.proofs("shop").records)
