"""`cloison watch` with a full disk, a ledger that is away, and options that do not fit together."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.unit.reports import sample_proofs

from cloison.commands.ledger_delivery import LedgerClient
from cloison.commands.watch import _LedgerSender, _MetricsFile, _targets
from cloison.engine.compose_cli import Selection
from cloison.errors import UsageError
from cloison.ledger_client.config import Ledger
from cloison.watch.metrics import Metrics
from cloison.watch.watcher import Targets

PROOF = sample_proofs.fully_allowed()
TWO_LINES = "from cloison.commands.watch import Lines; l = Lines(); l.tell('one'); l.tell('two'); print(l.is_full)"


def test_a_full_disk_behind_stdout_is_told_once() -> None:
    with Path("/dev/full").open("w") as full:
        code = TWO_LINES.replace("print(l.is_full)", "raise SystemExit(7 if l.is_full else 0)")
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )

    assert 7 == done.returncode
    assert ["cloison: stdout: No space left on device; lines are lost until there is room"] == done.stderr.splitlines()


def test_lines_have_the_time() -> None:
    done = subprocess.run([sys.executable, "-c", TWO_LINES], capture_output=True, text=True, check=True, timeout=60)

    assert [" one", " two"] == [line.partition("Z")[2] for line in done.stdout.splitlines()[:2]]


def test_a_file_of_metrics_that_cannot_be_written_is_told_once_and_again_after_it_could(tmp_path: Path) -> None:
    said: list[str] = []
    file = _MetricsFile(tmp_path / "later/cloison.prom", Metrics(), said.append)
    file.write()
    file.write()
    assert 1 == len(said)
    file.path.parent.mkdir()
    file.write()
    assert "cloison_engine_up" in file.path.read_text()
    assert 'cloison_errors_total{kind="metrics"} 2.0' in file.path.read_text()
    file.path.unlink()
    file.path.parent.rmdir()
    file.write()
    assert 2 == len(said)


def test_a_ledger_that_is_away_is_left_alone_for_a_while_and_the_proofs_are_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    client = LedgerClient(Ledger(f"http://127.0.0.1:{port}", "clo_x", "the token"), tmp_path, is_required=True)
    sender = _LedgerSender(client, Metrics())
    sender.send(PROOF)
    sender.send(msgspec.structs.replace(PROOF, duration_ms=PROOF.duration_ms + 1))

    assert 1 == capsys.readouterr().err.count("did not accept the proof")
    assert 2 == len(list(tmp_path.rglob("*.json.gz")))
    assert (3, 1) == (sender.exit_code(0), sender.exit_code(1))
    sender.next_attempt = 0
    sender.send(PROOF)
    assert 2 == sender.failures


def test_which_projects_are_meant() -> None:
    assert Targets() == _targets(Selection(), every=True)
    assert Targets(names=frozenset({"a", "b"})) == _targets(Selection(project="a, b"), every=False)
    assert Targets(Selection(project="a")) == _targets(Selection(project="a"), every=False)
    with pytest.raises(UsageError, match="--all watches every project"):
        _targets(Selection(project="a"), every=True)
    with pytest.raises(UsageError, match="several names of --project-name"):
        _targets(Selection(files=("compose.yml",), project="a,b"), every=False)
