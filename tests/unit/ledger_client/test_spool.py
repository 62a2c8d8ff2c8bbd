"""What is on the disk, in which order, and who may read it."""

from __future__ import annotations

import gzip
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cloison.errors import UsageError
from cloison.ledger_client import spool as room
from cloison.ledger_client.spool import Spool, spool, spool_root


@pytest.fixture
def queue(tmp_path: Path) -> Spool:
    return spool(tmp_path / "state/spools", "https://ledger.example:8443/path", "shop")


def test_a_proof_is_kept_as_it_is_sent_and_named_by_its_digest(queue: Spool) -> None:
    kept = queue.enqueue(b"{}")

    assert hashlib.sha256(b"{}").hexdigest() == kept.digest
    assert b"{}" == gzip.decompress(kept.body())
    assert [kept] == queue.queued()


def test_nobody_else_can_read_it(queue: Spool, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        kept = queue.enqueue(b"{}")
        queue.reject(queue.enqueue(b"[]"), "why")
    finally:
        os.umask(before)

    inside = [*(tmp_path / "state").rglob("*")]
    assert kept.path in inside
    assert {0o700} == {path.stat().st_mode & 0o777 for path in [tmp_path / "state", *inside] if path.is_dir()}
    assert {0o600} == {path.stat().st_mode & 0o777 for path in inside if path.is_file()}


def test_the_order_is_that_of_keeping_also_beyond_nine(queue: Spool) -> None:
    kept = [queue.enqueue(b"%d" % number) for number in range(12)]

    assert kept == queue.queued()
    queue.remove(kept[0])
    assert [*kept[1:], queue.enqueue(b"0")] == queue.queued()


def test_the_same_proof_waits_once(queue: Spool) -> None:
    assert queue.enqueue(b"{}") == queue.enqueue(b"{}")
    assert 1 == len(queue.queued())


def test_many_at_once_have_a_place_each(queue: Spool) -> None:
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(queue.enqueue, (b"%d" % number for number in range(40))))

    assert sorted(kept) == queue.queued()
    assert 40 == len({one.path.name.partition("-")[0] for one in kept})


def test_projects_and_ledgers_have_rows_of_their_own(tmp_path: Path) -> None:
    of = [
        ("https://a.example", "shop"),
        ("https://a.example", "mail"),
        ("http://a.example", "shop"),
        ("https://a.example/b", "shop"),
        ("https://a.example/..", ".."),
        ("https://a.example/%2Fb", "shop"),
    ]
    folders = [spool(tmp_path, url, project).folder for url, project in of]

    assert len(of) == len(set(folders))
    assert {tmp_path} == {folder.resolve().parent.parent for folder in folders}


def test_what_a_killed_process_left_is_removed_and_never_sent(queue: Spool) -> None:
    queue.enqueue(b"{}")
    left = queue.folder / f"000000000002-{'0' * 64}.json.gz.unfinished"
    left.write_bytes(b"half")

    assert 1 == len(queue.queued())
    queue.enqueue(b"[]")
    assert not left.exists()


def test_a_full_disk_leaves_nothing_half(queue: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    queue.enqueue(b"[]")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        queue.enqueue(b"{}")

    assert 1 == len(queue.queued())
    assert [] == [*queue.folder.parent.rglob("*unfinished")]


def test_a_writer_that_never_ends_is_told(queue: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "WRITE_LOCK_TIMEOUT", 0.1)
    queue.enqueue(b"{}")
    with queue.locked("writing", 0), pytest.raises(TimeoutError, match="another process has been writing"):
        queue.enqueue(b"[]")


def test_damaged_bytes_are_seen(queue: Spool) -> None:
    kept = queue.enqueue(b"{}")
    for damaged in (gzip.compress(b"[]"), b"", b"text", kept.path.read_bytes()[:-4]):
        kept.path.write_bytes(damaged)
        with pytest.raises(ValueError, match="the file on disk is damaged"):
            kept.body()


def test_the_place_follows_the_desktops_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    assert Path("/state/cloison/spool") == spool_root({"XDG_STATE_HOME": "/state"})
    assert Path("/home/me/.local/state/cloison/spool") == spool_root({})
    assert Path("/home/me/.local/state/cloison/spool") == spool_root({"XDG_STATE_HOME": "relative"})


def test_who_has_no_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)  # nobody has this number

    with pytest.raises(UsageError, match="set XDG_STATE_HOME"):
        spool_root({})
