"""`cloison diff` and `--baseline`: exit codes, refusals, and proofs out of a ledger."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.diff.sample_diffs import base, position, with_flow
from tests.unit.ledger_client import fake_ledger
from tests.unit.plan.sample_documents import POLICY, planned, shop
from tests.unit.reports.sample_proofs import PROOFS

from cloison.cli import cloison
from cloison.commands import baseline
from cloison.commands.options import OutputOptions
from cloison.commands.output import write_reports
from cloison.errors import NotProven, UsageError
from cloison.ledger_client import fetch
from cloison.ledger_client.config import TOKEN_VARIABLE
from cloison.proof.schema import canonical

TERMINAL = OutputOptions(("terminal",), None, strict=False)
STRICT = OutputOptions(("terminal",), None, strict=True)


def run(*words: str) -> Any:
    """Run the verb and return its exit code."""
    return cloison.main(["diff", *words], standalone_mode=False)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("tolerated", "breach", "unknown"):
        (tmp_path / f"{name}.json").write_bytes(canonical(PROOFS[name]()))
    (tmp_path / "plan.json").write_bytes(canonical(planned(shop(POLICY))))
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "code"), [("tolerated", "breach", 1), ("tolerated", "tolerated", 0), ("tolerated", "unknown", 1)]
)
def test_the_exit_code_says_whether_something_is_worse(files: Path, old: str, new: str, code: int) -> None:
    assert files.is_dir()
    assert code == run(f"{old}.json", f"{new}.json")


def test_every_report_goes_into_a_directory(files: Path) -> None:
    run("tolerated.json", "breach.json", "--format", "json,markdown,terminal", "-o", "out")

    assert ["diff.json", "diff.md"] == sorted(path.name for path in (files / "out").iterdir())
    assert json.loads((files / "out" / "diff.json").read_text())["worse"]


def test_a_dash_is_stdin_once(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((files / "tolerated.json").read_bytes())))

    assert 0 == run("-", "tolerated.json")
    with pytest.raises(UsageError, match="cannot both be stdin"):
        run("-", "-")


def test_a_plan_and_a_proof_are_not_compared(files: Path) -> None:
    assert files.is_dir()
    with pytest.raises(UsageError, match=r"plan\.json is a plan and breach\.json is a proof"):
        run("plan.json", "breach.json")
    assert 0 == run("plan.json", "plan.json")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not a proof or a plan"),
        (b"[]", "is not a proof or a plan"),
        (b"{}", "is not a proof: Object missing required field"),
        (b'{"assumed":{}}', "is not a plan: Object missing required field"),
        (canonical(planned(shop(POLICY))) + b"\n", "is a plan, but not in canonical form"),
    ],
)
def test_what_is_no_document_is_refused_with_one_sentence(files: Path, content: bytes, sentence: str) -> None:
    (files / "bad.json").write_bytes(content)
    with pytest.raises(UsageError, match=sentence) as refused:
        run("bad.json", "plan.json")
    assert str(refused.value).startswith("bad.json is ")


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match=r"/nowhere\.json: the document could not be read: No such file"):
        run("/nowhere.json", "-")


@pytest.fixture
def ledger(server: fake_ledger.Ledger, monkeypatch: pytest.MonkeyPatch) -> fake_ledger.Ledger:
    """Let a ledger answer every GET with `reply`, a status and a body."""

    def get(handler: Any) -> None:
        server.headers.append({**handler.headers, "path": handler.path})
        handler.send_response(server.reply[0])  # type: ignore[attr-defined]
        handler.send_header("Content-Length", str(len(server.reply[1])))  # type: ignore[attr-defined]
        handler.end_headers()
        handler.wfile.write(server.reply[1])  # type: ignore[attr-defined]

    monkeypatch.setattr(server.RequestHandlerClass, "do_GET", get, raising=False)
    monkeypatch.setenv(TOKEN_VARIABLE, "clo_a-token")
    monkeypatch.delenv("CLOISON_LEDGER_TOKEN_FILE", raising=False)
    server.reply = (200, canonical(PROOFS["tolerated"]()))  # type: ignore[attr-defined]
    return server


DIGEST = hashlib.sha256(canonical(PROOFS["tolerated"]())).hexdigest()


@pytest.mark.parametrize("path", ["/api/v1/proofs/{}", "/projects/shop/proofs/{}", "/projects/shop/proofs/{}.json"])
def test_a_proof_comes_out_of_a_ledger_with_the_token(ledger: fake_ledger.Ledger, files: Path, path: str) -> None:
    address = ledger.url + path.format(DIGEST)

    assert 1 == run(address, str(files / "breach.json"))
    assert (f"/api/v1/proofs/{DIGEST}", "Bearer clo_a-token") == (
        ledger.headers[0]["path"],
        ledger.headers[0]["Authorization"],
    )


def test_both_documents_can_be_in_the_ledger(ledger: fake_ledger.Ledger) -> None:
    address = f"{ledger.url}/api/v1/proofs/{DIGEST}"

    assert 0 == run(address, address)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (404, b"{}", "the ledger answered 404 Not Found; check the address"),
        (302, b"", "the ledger answered 302 Found"),
        (200, b"<html>", "the answer is not the proof of this digest"),
    ],
)
def test_another_answer_is_refused(ledger: fake_ledger.Ledger, status: int, body: bytes, sentence: str) -> None:
    ledger.reply = (status, body)  # type: ignore[attr-defined]

    with pytest.raises(UsageError, match=sentence):
        run(f"{ledger.url}/api/v1/proofs/{DIGEST}", "-")


def test_an_answer_without_an_end_is_refused(ledger: fake_ledger.Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_BYTES", 100)

    with pytest.raises(UsageError, match="larger than 100 bytes"):
        run(f"{ledger.url}/api/v1/proofs/{DIGEST}", "-")


def test_an_address_that_is_no_proofs_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^https://ledger\.example/: it is not the address of a proof in a ledger"):
        run("https://ledger.example/", "-")


def test_a_ledger_without_a_token_names_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)

    with pytest.raises(UsageError, match=r"needs a token of the project: set CLOISON_LEDGER_TOKEN"):
        run(f"http://127.0.0.1:9/api/v1/proofs/{DIGEST}", "-")


def test_a_ledger_that_is_away_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "clo_a-token")

    with pytest.raises(NotProven, match="the ledger did not send the proof: Connection refused"):
        run(f"http://127.0.0.1:9/api/v1/proofs/{DIGEST}", "-")


def test_a_baseline_makes_known_breaches_pass(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    earlier = baseline.load(replace(TERMINAL, baseline=str(files / "breach.json")), "proof")

    assert 0 == write_reports(PROOFS["breach"](), TERMINAL, None, earlier)
    number = capsys.readouterr().err.split()[1]
    assert int(number) > 0


def test_a_baseline_says_how_many_breaches_are_as_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    earlier = baseline.Baseline("old.json", PROOFS["breach"]())

    assert 0 == earlier.exit_code(PROOFS["breach"](), 1, TERMINAL)
    assert capsys.readouterr().err.endswith(" breaches as in the baseline old.json; nothing is worse\n")


def test_a_baseline_says_nothing_where_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == baseline.Baseline("old.json", PROOFS["breach"]()).exit_code(PROOFS["holds"](), 0, TERMINAL)
    assert "" == capsys.readouterr().err


@pytest.mark.parametrize(("scene", "options", "code"), [("breach", TERMINAL, 1), ("unknown", TERMINAL, 3)])
def test_what_is_worse_than_the_baseline_fails_as_without_it(
    scene: str, options: OutputOptions, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code == write_reports(PROOFS[scene](), options, None, baseline.Baseline("old.json", base()))

    lines = capsys.readouterr().err.splitlines()
    assert "cloison: worse than the baseline old.json:" == lines[0]
    assert 2 <= len(lines) <= baseline.MAX_LINES + 2


def test_a_long_list_of_what_is_worse_refers_to_diff(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "MAX_LINES", 1)
    baseline.Baseline("old.json", base()).exit_code(PROOFS["breach"](), 1, TERMINAL)

    assert "more: see cloison diff" in capsys.readouterr().err.splitlines()[-1]


def test_a_baseline_holds_strictly_for_tolerations(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == write_reports(base(), STRICT, None, baseline.Baseline("old.json", base()))
    assert " tolerated as in the baseline" in capsys.readouterr().err

    at = position(base(), "app", "db", 0)
    closed = with_flow(base(), at, ("tolerated", "shut", "holds"))
    assert 1 == write_reports(base(), STRICT, None, baseline.Baseline("old.json", closed))


def test_a_baseline_of_gaps_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    baseline.Baseline("old.json", base()).exit_code(base(), 3, TERMINAL)

    assert "cloison: gaps as in the baseline old.json" in capsys.readouterr().err


def test_a_baseline_of_another_kind_is_refused(files: Path) -> None:
    with pytest.raises(
        UsageError, match="is a plan, and this command makes a proof; make the baseline with cloison prove"
    ):
        baseline.load(replace(TERMINAL, baseline=str(files / "plan.json")), "proof")


def test_a_plan_takes_its_baseline(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "compose.yml").write_text("name: shop\nservices: {a: {image: a}, b: {image: b}}\nx-cloison: {}\n")
    words = ["plan", "-f", "compose.yml"]
    assert 1 == cloison.main([*words, "--format", "json", "-o", "old.json"], standalone_mode=False)

    assert 0 == cloison.main([*words, "--baseline", "old.json"], standalone_mode=False)
    assert "breaches as in the baseline old.json; nothing is worse" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scene", "fail_on", "code"),
    [("breach", {"unknown"}, 0), ("breach", set(), 0), ("unknown", {"breach"}, 0), ("unknown", {"unknown"}, 3)],
)
def test_what_is_worse_fails_only_as_far_as_it_is_named(scene: str, fail_on: set[str], code: int) -> None:
    options = replace(TERMINAL, fail_on=frozenset(fail_on))

    assert code == write_reports(PROOFS[scene](), options, None, baseline.Baseline("old.json", base()))


def test_to_fail_on_what_is_tolerated_is_strict_with_a_baseline_too() -> None:
    at = position(base(), "app", "db", 0)
    closed = with_flow(base(), at, ("tolerated", "shut", "holds"))
    options = replace(TERMINAL, fail_on=frozenset({"tolerated"}))

    assert 1 == write_reports(base(), options, None, baseline.Baseline("old.json", closed))
    assert 0 == write_reports(base(), options, None, baseline.Baseline("old.json", base()))


def test_a_policy_that_was_removed_fails_although_nothing_is_wrong_without_one() -> None:
    without = msgspec.structs.replace(PROOFS["holds"](), policy=None)

    assert 1 == baseline.Baseline("old.json", PROOFS["holds"]()).exit_code(without, 0, TERMINAL)


def test_drift_is_nothing_that_a_baseline_knows(files: Path) -> None:
    options = replace(TERMINAL, baseline=str(files / "breach.json"), fail_on=frozenset({"drift"}))

    with pytest.raises(UsageError, match="--fail-on drift and --baseline do not go together"):
        baseline.load(options, "proof")


def test_the_baseline_of_another_project_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    other = msgspec.structs.replace(base(), project=msgspec.structs.replace(base().project, name="other"))

    assert 0 == baseline.Baseline("old.json", other).exit_code(base(), 0, TERMINAL)
    assert "the baseline old.json is of the project other, and this is " in capsys.readouterr().err
