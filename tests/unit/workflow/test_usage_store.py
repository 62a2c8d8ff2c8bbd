"""The file of a record: whole or untouched, locked while it changes, and errors as one sentence."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from tests.unit.usage.sample_usage import DB, START, shop, used

from cloison.errors import FileError, UsageError
from cloison.proof.schema import LearnedPart
from cloison.usage.record import DAY, Period, Usage
from cloison.workflow import standing, usage_store


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a project's record, which does not exist yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "cloison/usage/shop.json"


def test_a_change_is_written_and_read_again(path: Path) -> None:
    assert Usage("shop") == usage_store.read("shop")
    with usage_store.changed("shop") as usage:
        usage.lines["key"] = 5

    assert {"key": 5} == usage_store.read("shop").lines
    assert path == usage_store.path_of("shop")
    assert {"shop.json", ".shop.lock"} == {file.name for file in path.parent.iterdir()}


def test_a_change_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    with usage_store.changed("shop"):
        pass
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), usage_store.changed("shop") as usage:
        usage.lines["key"] = 1 // 0

    assert before == path.read_bytes()


def test_a_record_that_cannot_be_kept_is_one_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir(parents=True)
    path.mkdir()
    with pytest.raises(UsageError, match="the record of used connections could not be read: Is a directory"):
        usage_store.read("shop")
    path.rmdir()
    path.write_bytes(b"no")
    with pytest.raises(FileError, match="this is no record"), usage_store.changed("shop"):
        pass
    monkeypatch.setenv("XDG_STATE_HOME", str(path))
    with pytest.raises(UsageError, match="could not be written: Not a directory"), usage_store.changed("shop"):
        pass


def test_a_record_that_another_process_holds_is_waited_for_and_then_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_store, "LOCK_TIMEOUT", 0.1)
    path.parent.mkdir(parents=True)
    with (path.parent / ".shop.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = pytest.raises(UsageError, match="another process holds the record; try again")
        with held, usage_store.changed("shop"):
            pass


def test_while_probes_are_sent_nobody_counts_and_while_somebody_counts_none_are_sent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_store, "LOCK_TIMEOUT", 0.1)
    path.parent.mkdir(parents=True)
    with usage_store.probing("shop"), usage_store.unless_probing("shop") as is_quiet:
        assert not is_quiet
    with usage_store.unless_probing("shop") as is_quiet:
        assert is_quiet
        with pytest.raises(UsageError, match="another process holds the record"), usage_store.probing("shop"):
            pass
    monkeypatch.setenv("XDG_STATE_HOME", str(path))
    with pytest.raises(UsageError, match="could not be locked: No such file"), usage_store.probing("shop"):
        pass


def test_a_proof_has_the_last_use_of_each_line_where_a_record_is_kept(path: Path) -> None:
    project, rules = shop(allow=["app -> db:3306", "app -> proxy"])
    assert standing.learned(project, rules) is None
    with usage_store.changed("shop") as usage:
        usage.uses = [used(DB, START + DAY)]
        usage.periods = [Period(START, START + 2 * DAY)]

    expected = {"allow[0]": "2027-01-16T08:00:00.000Z"}
    assert LearnedPart("2027-01-15T08:00:00.000Z", 2 * DAY, expected) == standing.learned(project, rules)
    assert standing.learned(project, None) is None
    path.write_bytes(b"no")
    assert standing.learned(project, rules) is None
