"""The report for a terminal: who reaches whom, then what to act on.

Rule: it says the same without colour, and the same proof gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rich.text import Text

from cloison.proof.schema import Proof, digest
from cloison.reports.action_items import action_items, drifted_flows, scoped_connections, tolerations
from cloison.reports.matrix import MAX_NAMED, ReachMatrix, connections, reach_matrix
from cloison.reports.risk_section import risk_section
from cloison.reports.sections import (
    EntryTemplates,
    action_section,
    connection_lines,
    join_sections,
    matrix_section,
    pluralize,
    toleration_section,
)
from cloison.reports.text import paragraph, render_lines, styled_line
from cloison.reports.topology import display_name, read_topology, resolve_flows
from cloison.verdict.judge import Judgement

MIN_WIDTH: Final = 40
VERDICTS: Final = {
    "proven": ("PROVEN", "bold green"),
    "breached": ("BREACHED", "bold red"),
    "unproven": ("NOT PROVEN", "bold yellow"),
}
ENTRY_TEMPLATES: Final[EntryTemplates] = {
    Judgement.BREACH: ("BREACH", "{source} reaches {door}{where}", "{source} reach {door}{where}"),
    Judgement.BROKEN: ("BROKEN", "{source} does not reach {door}{where}", "{source} do not reach {door}{where}"),
    Judgement.UNKNOWN: ("UNKNOWN", "{source} -> {door}{where}", "{source} -> {door}{where}"),
    Judgement.TOLERATED: ("TOLERATED", "{source} -> {door}{where}", "{source} -> {door}{where}"),
    Judgement.UNJUDGED: ("UNJUDGED", "{source} -> {door}{where}", "{source} -> {door}{where}"),
    Judgement.HOLDS: ("HOLDS", "{source} -> {door}{where}", "{source} -> {door}{where}"),
}
"""How a finding begins: see `EntryTemplates`."""
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
    available_width, matrix = max(width, MIN_WIDTH), reach_matrix(proof)
    parts = (
        _headline(proof, available_width, strict=strict),
        _policy(proof, available_width),
        matrix_section(matrix, available_width),
        action_section(action_items(proof, strict=strict), matrix, available_width, ENTRY_TEMPLATES)
        or _nothing_section(proof, available_width),
        _drift(proof, matrix, available_width),
        [] if strict else toleration_section(tolerations(proof), matrix, available_width),
        risk_section(proof, available_width),
        _notes(proof, available_width),
        _coverage(proof, available_width),
        [styled_line(("proof sha256:" + digest(proof), "dim"))],
    )
    return render_lines(join_sections(parts), color=color, width=available_width)


def _headline(proof: Proof, width: int, *, strict: bool) -> list[Text]:
    exceeds_strict = strict and proof.totals.get(Judgement.TOLERATED, 0) > 0
    word, style = VERDICTS["breached" if exceeds_strict else proof.verdict.word]
    engine = f"{proof.engine.name} {proof.engine.version}"
    asked = f"{pluralize(len(proof.flows), 'flow')} in {proof.duration_ms / 1000:.1f} s"
    facts = [proof.project.name, engine, asked]
    head = paragraph(" · ".join(facts), width, first=(f"{word}  ", style))
    if exceeds_strict and proof.verdict.word != "breached":
        head += paragraph("With --strict, what is tolerated counts as a breach.", width)
    return head


def _policy(proof: Proof, width: int) -> list[Text]:
    if proof.policy is not None:
        return []
    return paragraph(
        "The file has no policy (x-cloison), so what is judged is whether the walls that it draws hold.", width
    )


def _nothing_section(proof: Proof, width: int) -> list[Text]:
    proven = proof.verdict.word == "proven"
    return paragraph("Nothing to act on." if proven else "Nothing was judged; see the coverage.", width, style="bold")


def _drift(proof: Proof, matrix: ReachMatrix, width: int) -> list[Text]:
    kinds, topology, whole = drifted_flows(proof), read_topology(proof), connections(resolve_flows(proof))
    lines = paragraph("Right by the policy, but not as the file predicts", width, style="bold") if kinds else []
    for (observed, predicted), flows in kinds.items():
        lines.append(styled_line(("  ≠ ", "bold cyan"), (f"{observed}, predicted {predicted}", "")))
        lines += connection_lines(scoped_connections(topology, flows, whole), matrix, width)
        for rule in list(dict.fromkeys(item.flow.rule for item in flows))[:MAX_NAMED]:
            lines += paragraph(rule, width, first=("    file  ", "dim"))
    return lines


def _notes(proof: Proof, width: int) -> list[Text]:
    lines = paragraph("Notes", width, style="bold") if proof.notes else []
    return lines + [line for note in proof.notes for line in paragraph(note, width, first=("  - ", ""))]


def _coverage(proof: Proof, width: int) -> list[Text]:
    coverage = proof.coverage
    missing = Counter(coverage.absent)
    started_at = proof.started[:19].replace("T", " ")
    rows = [
        ("flows", _counts(proof)),
        ("looked", f"{started_at} UTC, from {proof.machine.name} ({proof.machine.kernel})"),
        *(("controls", text) for text in _controls(proof)),
        *(("absent", f"{name}: {pluralize(n, 'container')} missing") for name, n in sorted(missing.items())),
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
    passed = [display_name(part.container or part.place) for part in present if part not in failed]
    yield f"passed at {len(passed)} of {pluralize(len(present), 'vantage')}: {', '.join(passed) or 'none'}"
    for part in failed:
        failure = part.positive_control or part.negative_control
        yield f"failed at {display_name(part.container or part.place)}: {failure}"
