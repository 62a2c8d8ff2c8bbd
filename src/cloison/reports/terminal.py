"""The report for a terminal: who reaches whom, then what to act on.

Rule: it says the same without colour, and the same proof gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.text import Text

from cloison.compare import Judgement
from cloison.proof import Proof, digest
from cloison.reports.doors import Door, Matrix, arrows, matrix, passages
from cloison.reports.faces import FACES, legend
from cloison.reports.findings import FEW, Finding, accepted, drifted, findings
from cloison.reports.grid import grid
from cloison.reports.paper import paragraph, printed, said
from cloison.reports.reading import called

NARROWEST: Final = 40
VERDICTS: Final = {
    "proven": ("PROVEN", "bold green"),
    "breached": ("BREACHED", "bold red"),
    "unproven": ("NOT PROVEN", "bold yellow"),
}
ENTRIES: Final[dict[Judgement, tuple[str, str]]] = {
    Judgement.BREACH: ("BREACH", "{source} reaches {door}{where}"),
    Judgement.BROKEN: ("BROKEN", "{source} does not reach {door}{where}"),
    Judgement.UNKNOWN: ("UNKNOWN", "{source} -> {door}{where}"),
    Judgement.TOLERATED: ("TOLERATED", "{source} -> {door}{where}"),
    Judgement.UNJUDGED: ("UNJUDGED", "{source} -> {door}{where}"),
    Judgement.HOLDS: ("HOLDS", "{source} -> {door}{where}"),
}
"""How a finding begins: its label, and the sentence of each of its passages."""
COUNTED: Final = {
    Judgement.BREACH: ("breach", "breaches"),
    Judgement.BROKEN: ("broken door", "broken doors"),
    Judgement.UNKNOWN: ("unknown door", "unknown doors"),
    Judgement.TOLERATED: ("tolerated door", "tolerated doors"),
}
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
        _matrix(found, room),
        _findings(findings(proof, strict=strict), found, room) or _nothing(proof, room),
        _drift(proof, found, room),
        [] if strict else _tolerated(proof, found, room),
        _notes(proof, room),
        _coverage(proof, room),
        [said(("proof sha256:" + digest(proof), "dim"))],
    )
    return printed(_spaced(parts), color=color, width=room)


def _spaced(parts: Iterable[Sequence[Text]]) -> Iterator[Text]:
    for i, part in enumerate(filter(None, parts)):
        if i:
            yield Text("")
        yield from part


def _headline(proof: Proof, width: int, *, strict: bool) -> list[Text]:
    surpassed = strict and proof.totals.get(Judgement.TOLERATED, 0) > 0
    word, style = VERDICTS["breached" if surpassed else proof.verdict.word]
    engine = f"{proof.engine.name} {proof.engine.version}"
    asked = f"{_many(len(proof.flows), 'flow')} in {proof.duration_ms / 1000:.1f} s"
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


def _matrix(found: Matrix, width: int) -> list[Text]:
    if not found.sources:
        return []
    marks = [said((item.symbol, item.style), (f" {item.meaning}", "dim")) for item in legend(found.cells.values())]
    marks.append(said(("other", "bold"), (" any other port", "dim")))
    return [*grid(found, width), Text(""), *_filled(marks, width)]


def _filled(marks: Sequence[Text], width: int) -> list[Text]:
    """Fill lines with marks; one is never broken."""
    rows: list[Text] = []
    for mark in marks:
        if rows and len(rows[-1]) + len(mark) + 3 <= width:
            rows[-1] = said(("   ", "")).join([rows[-1], mark])
        else:
            rows.append(mark)
    return rows


def _nothing(proof: Proof, width: int) -> list[Text]:
    proven = proof.verdict.word == "proven"
    return paragraph("Nothing to act on." if proven else "Nothing was judged; see the coverage.", width, style="bold")


def _findings(items: Sequence[Finding], found: Matrix, width: int) -> list[Text]:
    if not items:
        return []
    counts = Counter(dict.fromkeys(COUNTED, 0))
    for item in items:
        counts[item.word] += len(item.passages)
    said_of = [f"{n} {COUNTED[word][n > 1]}" for word, n in counts.items() if n]
    lines = paragraph(f"To act on: {', '.join(said_of)}", width, style="bold")
    for item in items:
        lines += [Text(""), *_finding(item, found, width)]
    return lines + _how_to_keep(items, width)


def _finding(item: Finding, found: Matrix, width: int) -> list[Text]:
    lines = _passages(item, found, width)
    for reason in item.reasons[:FEW]:
        lines += paragraph(reason, width, first=("    why  ", "dim"))
    if len(item.reasons) > FEW:
        lines.append(said((f"         and {_many(len(item.reasons) - FEW, 'reason')} of the same kind", "")))
    lines += paragraph(item.advice.sentence, width, first=("    do   ", "dim"))
    lines += [said(("         $ ", "dim"), (command, "cyan")) for command in item.advice.commands]
    marks = ["    or   ", *["         "] * len(item.passages)]
    return lines + [
        said((mark, "dim"), (f"- {line}", "cyan")) for mark, line in zip(marks, _policy_lines(item), strict=False)
    ]


def _passages(item: Finding, found: Matrix, width: int) -> list[Text]:
    label, sentence = ENTRIES[item.word]
    mark = f"  {label} ({item.cause})  " if item.cause else f"  {label}  ", FACES[item.word][0].style
    if item.word is Judgement.UNKNOWN:
        texts = [f"{sources} -> {doors}" for sources, doors in arrows((p.pair for p in item.passages), found)]
    else:
        texts = [sentence.format(source=called(p.source), door=p.door.label, where=p.where) for p in item.passages]
    return [line for text in texts for line in paragraph(text, width, first=mark)]


def _policy_lines(item: Finding) -> list[str]:
    """Return the lines of policy that would settle a finding."""
    return [passage.line for passage in item.passages if passage.line] if item.advice.policy else []


def _how_to_keep(items: Sequence[Finding], width: int) -> list[Text]:
    """Say once where the lines that begin with a dash belong."""
    wanted = [line for item in items for line in _policy_lines(item)]
    if not wanted:
        return []
    return [
        Text(""),
        *paragraph(
            "The lines after `or` go into the file: under x-cloison.allow where the door is needed, "
            "or under x-cloison.tolerate where it is known and accepted, in this form:",
            width,
            first=("  ", ""),
        ),
        said((f"    - flow: {wanted[0]}", "cyan")),
        said(("      why: the next reader must be able to judge it", "cyan")),
    ]


def _drift(proof: Proof, found: Matrix, width: int) -> list[Text]:
    kinds = drifted(proof)
    lines = paragraph("Right by the policy, but not as the file predicts", width, style="bold") if kinds else []
    for (observed, predicted), flows in kinds.items():
        lines.append(said(("  ≠ ", "bold cyan"), (f"{observed}, predicted {predicted}", "")))
        lines += _covered(passages(flows), found, width)
        for rule in list(dict.fromkeys(item.flow.rule for item in flows))[:FEW]:
            lines += paragraph(rule, width, first=("    file  ", "dim"))
    return lines


def _tolerated(proof: Proof, found: Matrix, width: int) -> list[Text]:
    items = accepted(proof)
    lines = paragraph("Tolerated", width, style="bold") if items else []
    for item in items:
        lines += paragraph(f"{item.what}: {item.why}", width, first=("  ", ""))
        lines += _covered((passage.pair for passage in item.passages), found, width)
        if not item.passages:
            lines.append(said(("    nothing is open because of it now", "dim")))
    return lines


def _covered(pairs: Iterable[tuple[str, Door]], found: Matrix, width: int) -> list[Text]:
    lines = []
    for sources, doors in arrows(pairs, found):
        lines += paragraph(f"{sources} -> {doors}", width, first=("    ", ""), style="dim")
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
        *(("absent", f"{name}: {_many(n, 'container')} missing") for name, n in sorted(missing.items())),
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
    yield f"passed at {len(passed)} of {_many(len(present), 'vantage')}: {', '.join(passed) or 'none'}"
    for part in failed:
        yield f"failed at {called(part.container or part.place)}: {part.positive_control or part.negative_control}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
