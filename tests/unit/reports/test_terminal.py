from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from tests.unit.reports.golden_reports import FOLDER, GOLDENS, Golden
from tests.unit.reports.sample_proofs import PROOFS

from cloison.proof.schema import Proof, SkippedPart
from cloison.reports import REPORTS, RenderOptions, terminal
from cloison.reports.risk_section import MAX_NAMED_CONTAINERS
from cloison.reports.symbols import DRIFT, LEGEND, SCOPE_SUFFIXES, SYMBOLS, legend
from cloison.verdict.judge import Judgement
from cloison_view.labels import COUNTED, MAX_NAMED
from cloison_view.summary import summarize

ANSI = re.compile(r"\x1b\[[0-9;]*m")
SAMPLE_NAMES = sorted(PROOFS)


def shown(proof: Proof, **changes: Any) -> str:
    return terminal.render(proof, **{"color": False, "width": 100, "strict": False, **changes})


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_a_report_is_the_stored_one(golden: Golden) -> None:
    made = golden.made()

    assert golden.path.read_text() == made, (
        "if this is meant: python -m tests.unit.reports.golden_reports, and read the difference"
    )


def test_no_stored_report_is_left_over() -> None:
    assert {golden.path for golden in GOLDENS} == set(FOLDER.iterdir())


@pytest.mark.parametrize("judgement", Judgement)
def test_every_judgement_has_a_symbol_and_an_entry(judgement: Judgement) -> None:
    when_open, when_shut = SYMBOLS[judgement]
    label, *sentences = terminal.ENTRY_TEMPLATES[judgement]

    assert {when_open, when_shut} <= set(LEGEND)
    assert label == judgement.upper()
    assert all(
        styled_line.format(source="a", target="b", where=" at c").endswith("b at c") for styled_line in sentences
    )
    assert judgement in COUNTED


def test_symbols_differ_in_shape_and_not_in_colour_only() -> None:
    shapes = [symbol_of.text for symbol_of in LEGEND]

    assert len(shapes) == len(set(shapes))
    assert all(DRIFT.text not in shape for shape in shapes)


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_colour_changes_no_letter(scene: str) -> None:
    proof = PROOFS[scene]()
    colored = shown(proof, color=True)

    assert "\x1b[" in colored
    assert ANSI.sub("", colored) == shown(proof)


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
@pytest.mark.parametrize("strict", [False, True])
def test_a_piped_report_is_plain(scene: str, strict: bool) -> None:
    lines = shown(PROOFS[scene](), strict=strict).split("\n")

    assert lines[-1] == ""
    assert [line for line in lines if "\x1b" in line or line != line.rstrip() or len(line) > 100] == []


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_the_environment_changes_nothing(scene: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = PROOFS[scene]()
    before = shown(proof), shown(proof, color=True)
    for name, value in {"COLUMNS": "30", "NO_COLOR": "1", "FORCE_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)

    assert before == (shown(proof), shown(proof, color=True))


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_the_legend_names_what_is_in_use_and_nothing_else(scene: str) -> None:
    cells = summarize(PROOFS[scene]()).connections
    used = {SYMBOLS[cell.judgement][not cell.is_open] for cell in cells}
    limits = {
        symbol_of for mark, symbol_of in SCOPE_SUFFIXES.items() if any(mark in cell.scope.suffix for cell in cells)
    }
    drift = {DRIFT} if any(cell.drift for cell in cells) else set()

    assert set(legend(cells)) == used | limits | drift


def test_strict_lists_what_is_tolerated_and_counts_it() -> None:
    report = shown(PROOFS["tolerated"](), strict=True)

    assert report.startswith("BREACHED  shop")
    assert "With --strict, a tolerated flow counts as a breach." in report
    assert "  TOLERATED  network back: 10 connections\n" in report


def test_strict_is_silent_where_nothing_is_tolerated() -> None:
    proof = PROOFS["holds"]()

    assert shown(proof) == shown(proof, strict=True)


def test_breaches_come_first_then_broken_then_unknown_connections() -> None:
    proofs = [PROOFS[name]() for name in ("breach", "broken", "unknown")]
    labels = [re.findall(r"^  (BREACH|BROKEN|UNKNOWN)", shown(proof), re.MULTILINE) for proof in proofs]

    assert [sorted(found) for found in labels] == labels


def test_reasons_beyond_a_limit_are_counted() -> None:
    proof = PROOFS["udp"]()
    breach = next(flow for flow in proof.flows if flow.judgement is Judgement.BREACH)
    flows = [msgspec.structs.replace(breach, rule=f"rule {i}", reason=f"reason {i}") for i in range(MAX_NAMED + 2)]
    report = shown(msgspec.structs.replace(proof, flows=flows))

    assert report.count("    why  ") == MAX_NAMED
    assert "           and 2 reasons of the same kind\n" in report


def test_drift_is_shown_before_what_the_file_opens() -> None:
    entries = re.findall(r"^  BREACH( \(drift\))?  ", shown(PROOFS["breach"]()), re.MULTILINE)

    assert entries == sorted(entries, reverse=True)
    assert {" (drift)", ""} == {*entries}


def test_a_proof_without_flows_is_not_proven() -> None:
    proof = PROOFS["holds"]()
    empty = msgspec.structs.replace(
        proof,
        verdict=msgspec.structs.replace(proof.verdict, word="unproven", exit_code=3),
        vantages=[],
        endpoints=[],
        flows=[],
        totals={},
        coverage=msgspec.structs.replace(proof.coverage, flows=0, complete=False),
    )
    report = shown(empty)

    assert report.startswith("NOT PROVEN  shop · docker 20.10.24 · 0 flows")
    assert "No flow was judged" in report
    assert "counts    0 flows\n" in report


def test_what_was_skipped_says_why() -> None:
    proof = PROOFS["holds"]()
    skipped = [SkippedPart("dns:53/udp", "udp is not looked at yet")]
    partial = msgspec.structs.replace(proof, coverage=msgspec.structs.replace(proof.coverage, skipped=skipped))

    assert "  skipped   dns:53/udp: udp is not looked at yet\n" in shown(partial)


def test_the_document_cannot_move_the_cursor() -> None:
    proof = PROOFS["holds"]()
    evil = msgspec.structs.replace(proof, notes=["\x1b[2Jgone\u202e\r\nPROVEN"])
    report = shown(evil)

    assert "  - \\x1b[2Jgone\\u202e PROVEN\n" in report


def test_a_command_is_never_broken() -> None:
    report = shown(PROOFS["breach"](), width=40)

    assert "$ docker network disconnect shop_front shop-app-1\n" in report


def test_the_registry_renders_by_name() -> None:
    proof = PROOFS["holds"]()

    assert REPORTS["terminal"](proof, RenderOptions()) == shown(proof)
    assert REPORTS["terminal"](proof, RenderOptions(color=True, width=80)) == shown(proof, color=True, width=80)


def test_a_risk_of_many_containers_is_one_entry() -> None:
    proof = PROOFS["misused-by-many"]()
    report = shown(proof, width=10**4)

    kinds = {(item.what, item.sentence) for item in proof.findings}
    assert len(proof.findings) > 100
    common = [line for line in report.splitlines() if line.startswith("  - every container (60): ")]
    assert len(kinds) == len(common) + sum(line.startswith("    evidence ") for line in report.splitlines())
    assert ["can forge", "runs as ro"] == [line.partition(": ")[2][:10].strip() for line in common]


def test_a_risk_of_few_containers_comes_before_those_of_many() -> None:
    report = shown(PROOFS["misused-by-many"]())

    assert report.index("engine-socket") < report.index("every container")


def test_one_container_more_than_the_limit_is_still_named() -> None:
    proof = PROOFS["misused-by-many"]()
    forgers = [item for item in proof.findings if item.what == "net-raw"]
    others = [item for item in forgers if "worker" in item.where]
    few = msgspec.structs.replace(proof, findings=others[: MAX_NAMED_CONTAINERS + 1])

    assert all(item.where in shown(few) for item in few.findings)


def test_a_risk_changes_no_verdict() -> None:
    plain, misused = (PROOFS[name]() for name in ("tolerated", "misused"))

    assert plain.verdict == misused.verdict
    assert shown(plain, strict=True).splitlines()[0] == shown(misused, strict=True).splitlines()[0]
