"""`cloison report` shows a stored proof, and refuses what is none with one sentence."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.reports.sample_proofs import PROOFS

from cloison.cli import cloison
from cloison.errors import UsageError
from cloison.proof.schema import canonical, digest
from cloison.reports import html, terminal


def run(*words: str) -> Any:
    """Run the verb and return its exit code."""
    return cloison.main(["report", *words], standalone_mode=False)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "proof.json"
    path.write_bytes(canonical(PROOFS["breach"]()))
    return path


def test_it_shows_what_was_shown_when_the_proof_was_made(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(str(stored))

    shown = terminal.render(PROOFS["breach"](), color=False, width=100, strict=False)
    assert (1, shown) == (code, capsys.readouterr().out)


@pytest.mark.parametrize(
    ("scene", "strict", "code"), [("holds", False, 0), ("unknown", False, 3), ("tolerated", True, 1)]
)
def test_the_exit_code_is_the_proofs(tmp_path: Path, scene: str, strict: bool, code: int) -> None:
    path = tmp_path / "proof.json"
    path.write_bytes(canonical(PROOFS[scene]()))

    assert code == run(str(path), *(["--strict"] if strict else []))


def test_several_reports_go_into_a_directory(stored: Path, tmp_path: Path) -> None:
    run(str(stored), "--format", "html,terminal,json", "--output", str(tmp_path / "shown"))

    assert ["proof.html", "proof.json"] == sorted(path.name for path in (tmp_path / "shown").iterdir())
    assert stored.read_bytes() == (tmp_path / "shown" / "proof.json").read_bytes()
    assert html.render(PROOFS["breach"]()) == (tmp_path / "shown" / "proof.html").read_text()


def test_a_dash_is_stdin(stored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stored.read_bytes())))
    run("-", "--format", "html")

    assert capsys.readouterr().out.startswith("<!doctype html>")


def test_the_page_names_the_proof() -> None:
    proof = PROOFS["tolerated"]()

    assert digest(proof) in html.render(proof)


def altered(member: str, value: Any) -> bytes:
    """Return the canonical bytes of a breached proof with one member replaced."""
    document = {**json.loads(canonical(PROOFS["breach"]())), member: value}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "is not a proof"),
        (b"<html>", "is not a proof"),
        (b"{}", r"is not a proof: Object missing required field .*\. Make one with cloison prove --format json"),
        (b"[" * 100_000, "is not a proof"),
        (b"\xff\xfe", "is not a proof"),
        (json.dumps(json.loads(canonical(PROOFS["holds"]())), indent=1).encode(), "not in canonical form"),
        (canonical(PROOFS["holds"]()) + b"\n", "not in canonical form"),
        (canonical(PROOFS["holds"]()).replace(b'"exit_code":0', b'"exit_code":0.0'), "is not a proof: Expected `int`"),
        (
            altered("started", "2026-01-02T03:04:05Z"),
            "is not a proof: started: '2026-01-02T03:04:05Z' is not written like",
        ),
        (altered("verdict", {"word": "proven", "exit_code": 0}), "flows, policy and coverage give breached"),
        (altered("totals", {}), "the document contradicts itself: totals: do not match the flows"),
    ],
    ids=["empty", "other", "object", "deep", "bytes", "indented", "newline", "float", "time", "verdict", "totals"],
)
def test_what_is_no_proof_is_refused_with_one_sentence(tmp_path: Path, text: bytes, sentence: str) -> None:
    path = tmp_path / "proof.json"
    path.write_bytes(text)

    with pytest.raises(UsageError, match=sentence) as refused:
        run(str(path))
    assert str(refused.value).startswith(str(path))


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match=r"/nowhere/proof\.json: the proof could not be read: No such file"):
        run("/nowhere/proof.json")


def test_where_it_goes_is_settled_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot share stdout"):
        run("/nowhere/proof.json", "--format", "html,json")
