"""The report for a terminal: who reaches whom, then what to act on.

Rule: it says the same without colour, and the same proof gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rich.text import Text

from cloison.proof.schema import Proof, digest
from cloison.reports.action_items import accepted, drifted, findings, limited
from cloison.reports.matrix import FEW, Matrix, matrix, passages
from cloison.reports.risk_section import misuse
from cloison.reports.sections import Entries, covered, many, picture, spaced, to_act_on, tolerated
from cloison.reports.text import paragraph, printed, said
from cloison.reports.topology import called, scene, seen
from cloison.verdict.judge import Judgement

NARROWEST: Final = 40
VERDICTS: Final = {
    "proven": ("PROVEN", "bold green"),
    "breached": ("BREACHED", "bold red"),
    "unproven": ("NOT PROVEN", "bold yellow"),
}
ENTRIES: Final[Entries] = {
    Judgement.BREACH: ("BREACH", "{source} reaches {door}{where}", "{source} reach {door}{where}"),
    Judgement.BROKEN: ("BROKEN", "{source} does not reach {door}{where}", "{source} do not reach {door}{where}"),
    Judgement.UNKNOWN: ("UNKNOWN", "{source} -> {door}{where}", "{source} -> {door}{where}"),
    Judgement.TOLERATED: ("TOLERATED", "{source} -> {door}{where}", "{source} -> {door}{where}"),
    Judgement.UNJUDGED: ("UNJUDGED", "{source} -> {door}{where}", "{source} -> {door}{where}"),
    Judgement.HOLDS: ("HOLDS", "{source} -> {door}{where}", "{source} -> {door}{where}"),
}
"""How a finding begins: see `Entries`."""
TOTALS: Final = {
    Judgement.HOLDS: "hold",
    Judgement.TOLERATED: "tolerated",
    Judgement.UNJUDGED: "not judged",
    Judgement.UNKNOWN: "unknown",
    Judgement.BROKEN: "broken",
    Judgement.BREACH: "breach",
    "drift": "not as the file predicts",
}


def render(proof: Proof, *, color: bool, width: int, strict: bool) -> str:
    """Return the report for a terminal of `width` columns."""
    room, found = max(width, NARROWEST), matrix(proof)
    parts = (
        _headline(proof, room, strict=strict),
        _policy(proof, room),
        picture(found, room),
        to_act_on(findings(proof, strict=strict), found, room, ENTRIES) or _nothing(proof, room),
        _drift(proof, found, room),
        [] if strict else tolerated(accepted(proof), found, room),
        misuse(proof, room),
        _notes(proof, room),
        _coverage(proof, room),
        [said(("proof sha256:" + digest(proof), "dim"))],
    )
    return printed(spaced(parts), color=color, width=room)


def _headline(proof: Proof, width: int, *, strict: bool) -> list[Text]:
    surpassed = strict and proof.totals.get(Judgement.TOLERATED, 0) > 0
    word, style = VERDICTS["breached" if surpassed else proof.verdict.word]
    engine = f"{proof.engine.name} {proof.engine.version}"
    asked = f"{many(len(proof.flows), 'flow')} in {proof.duration_ms / 1000:.1f} s"
    facts = [proof.project.name, engine, asked]
    head = paragraph(" · ".join(facts), width, first=(f"{word}  ", style))
    if surpassed and proof.verdict.word != "breached":
        head += paragraph("With --strict, what is tolerated counts as a breach.", width)
    return head


def _policy(proof: Proof, width: int) -> list[Text]:
    if proof.policy is not None:
        return []
    return paragraph(
        "The file has no policy (x-cloison), so what is judged is whether the walls that it draws hold.", width
    )


def _nothing(proof: Proof, width: int) -> list[Text]:
    proven = proof.verdict.word == "proven"
    return paragraph("Nothing to act on." if proven else "Nothing was judged; see the coverage.", width, style="bold")


def _drift(proof: Proof, found: Matrix, width: int) -> list[Text]:
    kinds, view, whole = drifted(proof), scene(proof), passages(seen(proof))
    lines = paragraph("Right by the policy, but not as the file predicts", width, style="bold") if kinds else []
    for (observed, predicted), flows in kinds.items():
        lines.append(said(("  ≠ ", "bold cyan"), (f"{observed}, predicted {predicted}", "")))
        lines += covered(limited(view, flows, whole), found, width)
        for rule in list(dict.fromkeys(item.flow.rule for item in flows))[:FEW]:
            lines += paragraph(rule, width, first=("    file  ", "dim"))
    return lines


def _notes(proof: Proof, width: int) -> list[Text]:
    lines = paragraph("Notes", width, style="bold") if proof.notes else []
    return lines + [line for note in proof.notes for line in paragraph(note, width, first=("  - ", ""))]


def _coverage(proof: Proof, width: int) -> list[Text]:
    coverage = proof.coverage
    missing = Counter(coverage.absent)
    moment = proof.started[:19].replace("T", " ")
    rows = [
        ("flows", _counts(proof)),
        ("looked", f"{moment} UTC, from {proof.machine.name} ({proof.machine.kernel})"),
        *(("controls", text) for text in _controls(proof)),
        *(("absent", f"{name}: {many(n, 'container')} missing") for name, n in sorted(missing.items())),
        *(("skipped", f"{item.what}: {item.why}") for item in coverage.skipped),
    ]
    lines = paragraph("Coverage", width, style="bold")
    for label, text in rows:
        lines += paragraph(text, width, first=(f"  {label:<10}", "dim"))
    return lines


def _counts(proof: Proof) -> str:
    words = [f"{proof.totals[key]} {word}" for key, word in TOTALS.items() if proof.totals.get(key)]
    return f"{proof.coverage.flows} asked, {proof.coverage.unknown} not known: {', '.join(words) or 'nothing'}"


def _controls(proof: Proof) -> Iterator[str]:
    present = [part for part in proof.vantages if part.container or part.place not in proof.coverage.absent]
    failed = [part for part in present if part.positive_control or part.negative_control]
    passed = [called(part.container or part.place) for part in present if part not in failed]
    yield f"passed at {len(passed)} of {many(len(present), 'vantage')}: {', '.join(passed) or 'none'}"
    for part in failed:
        yield f"failed at {called(part.container or part.place)}: {part.positive_control or part.negative_control}"
