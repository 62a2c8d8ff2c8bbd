"""The terminal report of a proof: verdict, action items, matrix, tolerations, risks, notes, coverage, verdict again.

Input: a proof. Output: text for a terminal of a given width.
Rule: colour adds no information, and the same proof gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rich.text import Text

from cloison.proof.schema import Proof, digest
from cloison.reports.action_section import EntryTemplates, action_section
from cloison.reports.limits import FULL, MAX_NAMES, Limits, limits_for, more, names
from cloison.reports.risk_section import risk_section
from cloison.reports.sections import connection_lines, join_sections, matrix_section, toleration_section
from cloison.reports.text import paragraph, render_lines, styled_line
from cloison.reports.use_section import use_section
from cloison.reports.verdict_line import last_words, strict_note, verdict_mark
from cloison.verdict.judge import Judgement
from cloison_view.action_items import drifted_flows, scoped_ports, tolerations
from cloison_view.alike import fold
from cloison_view.cause_groups import action_groups
from cloison_view.folded_advice import folded_advice
from cloison_view.labels import MAX_NAMED, counted, display_name, nothing_to_act_on, pluralize, value_word
from cloison_view.overview import overview
from cloison_view.summary import Summary, summarize

MIN_WIDTH: Final = 40
NO_POLICY: Final = (
    "The file has no policy (x-cloison), so nothing is proven of it. The judgements say whether the isolation that the "
    "file declares holds."
)
NOT_AS_PREDICTED: Final = {
    True: "As the policy requires, but not as predicted from the file",
    False: "Not as predicted from the file",
}
"""The heading of the drifted flows, with a policy and without one."""
ENTRY_TEMPLATES: Final[EntryTemplates] = {
    Judgement.BREACH: ("BREACH", "{source} reaches {target}{where}", "{source} reach {target}{where}"),
    Judgement.BROKEN: ("BROKEN", "{source} does not reach {target}{where}", "{source} do not reach {target}{where}"),
    Judgement.UNKNOWN: ("UNKNOWN", "{source} -> {target}{where}", "{source} -> {target}{where}"),
    Judgement.TOLERATED: ("TOLERATED", "{source} -> {target}{where}", "{source} -> {target}{where}"),
    Judgement.UNJUDGED: ("UNJUDGED", "{source} -> {target}{where}", "{source} -> {target}{where}"),
    Judgement.HOLDS: ("HOLDS", "{source} -> {target}{where}", "{source} -> {target}{where}"),
}
"""The label and the sentences of an entry: see `EntryTemplates`."""


def render(proof: Proof, *, color: bool, width: int, strict: bool, full: bool = False) -> str:
    """Return the report for a terminal of `width` columns; `full` leaves nothing out."""
    available_width, summary = max(width, MIN_WIDTH), fold(summarize(proof))
    limits = FULL if full else limits_for(summary)
    groups = action_groups(summary, folded_advice(proof, summary), strict=strict)
    parts = (
        [*_headline(proof, available_width, strict=strict), *paragraph(overview(summary, groups), available_width)],
        _policy(proof, available_width),
        action_section(groups, summary, available_width, ENTRY_TEMPLATES, limits)
        or _nothing_section(proof, available_width),
        _drift(summary, available_width, limits),
        matrix_section(summary, available_width, limits),
        [] if strict else toleration_section(tolerations(summary), summary, available_width, limits),
        use_section(proof, available_width, limits),
        risk_section(proof, available_width, limits),
        _notes(proof, available_width, limits),
        _coverage(proof, summary, available_width),
        [
            styled_line(("proof sha256:" + digest(proof), "dim")),
            *paragraph(
                last_words(proof, summary.connection_counts), available_width, first=verdict_mark(proof, strict=strict)
            ),
        ],
    )
    return render_lines(join_sections(parts), color=color, width=available_width)


def _headline(proof: Proof, width: int, *, strict: bool) -> list[Text]:
    engine = f"{proof.engine.name} {proof.engine.version}"
    asked = f"{pluralize(len(proof.flows), 'flow')} in {proof.duration_ms / 1000:.1f} s"
    facts = [proof.project.name, engine, asked]
    head = paragraph(" · ".join(facts), width, first=verdict_mark(proof, strict=strict))
    note = strict_note(proof, strict=strict)
    return head + (paragraph(note, width) if note else [])


def _policy(proof: Proof, width: int) -> list[Text]:
    if proof.policy is not None:
        return []
    return paragraph(NO_POLICY, width)


def _nothing_section(proof: Proof, width: int) -> list[Text]:
    return paragraph(nothing_to_act_on(proof.verdict.word), width, style="bold")


def _drift(summary: Summary, width: int, limits: Limits) -> list[Text]:
    kinds = drifted_flows(summary)
    lines = paragraph(NOT_AS_PREDICTED[summary.records.has_policy], width, style="bold") if kinds else []
    for (observed, predicted), flows in kinds.items():
        difference = f"{value_word(observed)}, predicted {value_word(predicted)}"
        lines.append(styled_line(("  ≠ ", "bold cyan"), (difference, "")))
        lines += connection_lines(scoped_ports(summary, flows), summary, width, limits)
        rules = dict.fromkeys(summary.records.value(position, "rule") for position in flows)
        for rule in list(rules)[:MAX_NAMED]:
            lines += paragraph(rule, width, first=("    file  ", "dim"))
    return lines


def _notes(proof: Proof, width: int, limits: Limits) -> list[Text]:
    lines = paragraph("Notes", width, style="bold") if proof.notes else []
    shown = proof.notes[: limits.notes]
    lines += [line for note in shown for line in paragraph(note, width, first=("  - ", ""))]
    return lines + more(len(proof.notes) - len(shown), "note")


def _coverage(proof: Proof, summary: Summary, width: int) -> list[Text]:
    coverage = proof.coverage
    missing = Counter(coverage.absent)
    started_at = proof.started[:19].replace("T", " ")
    rows = [
        ("counts", counted(summary.flow_counts, "flow")),
        ("probed", f"{started_at} UTC, from {proof.machine.name} ({proof.machine.kernel}){_deadline(proof)}"),
        *(("controls", text) for text in _controls(proof)),
        *(("absent", f"{name}: {pluralize(n, 'container')} missing") for name, n in sorted(missing.items())),
        *(("skipped", f"{item.what}: {item.why}") for item in coverage.skipped),
    ]
    lines = paragraph("Coverage", width, style="bold")
    for label, text in rows:
        lines += paragraph(text, width, first=(f"  {label:<10}", "dim"))
    return lines


def _deadline(proof: Proof) -> str:
    return f", deadline {proof.deadline_ms / 1000:.0f} s" if proof.deadline_ms else ""


def _controls(proof: Proof) -> Iterator[str]:
    present = [part for part in proof.vantages if part.container or part.place not in proof.coverage.absent]
    failed = [part for part in present if part.positive_control or part.negative_control]
    passed = [display_name(part.container or part.place) for part in present if part not in failed]
    yield f"passed at {len(passed)} of {pluralize(len(present), 'vantage')}: {names(passed, 2 * MAX_NAMES) or 'none'}"
    for part in failed:
        failure = part.positive_control or part.negative_control
        yield f"failed at {display_name(part.container or part.place)}: {failure}"
