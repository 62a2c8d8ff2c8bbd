"""The terminal report of a plan: the predicted matrix, the action items, lint findings, and the proposed networks.

Input: a plan. Output: text for a terminal of a given width.
Rule: a plan observes nothing. Its sentences say `would reach` and `predicted`, and never that something is proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import asdict
from rich.text import Text

from cloison.model.outcome import Outcome, Reach
from cloison.plan.schema import FirstStepPart, Plan, PlannedFlow, ProposalPart
from cloison.proof.schema import FlowPart, VantagePart, digest
from cloison.reports import advice as proof_advice
from cloison.reports.sections import (
    EntryTemplates,
    action_section,
    join_sections,
    matrix_section,
    toleration_section,
)
from cloison.reports.terminal import MIN_WIDTH
from cloison.reports.text import paragraph, render_lines, styled_line
from cloison.reports.topology import ResolvedFlow, topology_of
from cloison.verdict.judge import Cause, Judgement
from cloison_view.action_items import Advice, Advise, action_items, tolerations
from cloison_view.labels import MAX_NAMED, counted, join_names, pluralize
from cloison_view.summary import Summary, summarize

VERDICTS: Final = {
    "sound": ("SOUND", "bold green"),
    "drawn": ("AS DRAWN", "bold"),
    "breached": ("BREACHED", "bold red"),
    "undecided": ("UNDECIDED", "bold yellow"),
}
ENTRY_TEMPLATES: Final[EntryTemplates] = {
    Judgement.BREACH: ("BREACH", "{source} would reach {target}{where}", "{source} would reach {target}{where}"),
    Judgement.BROKEN: (
        "BROKEN",
        "{source} would not reach {target}{where}",
        "{source} would not reach {target}{where}",
    ),
    Judgement.UNKNOWN: ("UNDECIDED", "{source} -> {target}{where}", "{source} -> {target}{where}"),
    Judgement.TOLERATED: ("TOLERATED", "{source} -> {target}{where}", "{source} -> {target}{where}"),
}
"""The label and the sentences of an entry; the other judgements need no action."""
OUTCOMES: Final = {Reach.OPEN: Outcome.ACCEPTED, Reach.SHUT: Outcome.SILENT, Reach.UNKNOWN: Outcome.ERROR}
CAUSES: Final = {Judgement.BREACH: Cause.FILE}
UNDECIDED: Final = Advice(
    "the file does not decide this: prove the running project",
    ("cloison prove",),
)
NO_POLICY: Final = (
    "The file has no policy (x-cloison): the plan shows the flows that the file opens. With a policy it also shows "
    "the connections that are not needed, and the smallest set of networks."
)


def render(plan: Plan, *, color: bool, width: int, strict: bool) -> str:
    """Return the report for a terminal of `width` columns."""
    available_width, summary = max(width, MIN_WIDTH), summarize(plan)
    items = action_items(summary, strict=strict, advise=_advice(plan))
    parts = (
        _headline(plan, available_width, strict=strict),
        [] if plan.policy else paragraph(NO_POLICY, available_width),
        matrix_section(summary, available_width),
        action_section(items, summary, available_width, ENTRY_TEMPLATES, strict=strict)
        or _nothing_section(plan, available_width),
        [] if strict else toleration_section(tolerations(summary), summary, available_width),
        _lint_findings(plan, available_width),
        _proposal(plan, available_width),
        _basis(plan, summary, available_width),
        [styled_line(("plan sha256:" + digest(plan), "dim"))],
    )
    return render_lines(join_sections(parts), color=color, width=available_width)


def _advice(plan: Plan) -> Advise:
    """Return a function that returns what to do about the flow at a position; an undecided flow needs a proof."""
    topology = topology_of(plan.project, plan.endpoints)
    tried = proof_advice.tried_advice(plan)

    def advise(position: int) -> Advice:
        item = _resolve(plan, plan.flows[position])
        if position in tried:
            return tried[position]
        return UNDECIDED if item.flow.judgement is Judgement.UNKNOWN else proof_advice.advice(topology, item)

    return advise


def _resolve(plan: Plan, flow: PlannedFlow) -> ResolvedFlow:
    """Return a flow with its ends, as if the prediction had been observed."""
    observed_fields: Mapping[str, Any] = {
        "observed": flow.predicted,
        "outcome": OUTCOMES[flow.predicted],
        "evidence": flow.rule,
        "cause": CAUSES.get(flow.judgement),
        "drift": False,
    }
    start = plan.vantages[flow.vantage]
    return ResolvedFlow(
        FlowPart(**asdict(flow), **observed_fields),
        VantagePart(start.place, start.container, "", ""),
        plan.endpoints[flow.endpoint],
    )


def _headline(plan: Plan, width: int, *, strict: bool) -> list[Text]:
    exceeds_strict = strict and plan.totals.get(Judgement.TOLERATED, 0) > 0
    word, style = VERDICTS["breached" if exceeds_strict else plan.verdict.word]
    engine = f"predicted for {plan.assumed.engine} {plan.assumed.version}"
    facts = [plan.project.name, engine, f"{pluralize(len(plan.flows), 'flow')} predicted"]
    head = paragraph(" · ".join(facts), width, first=(f"{word}  ", style))
    if exceeds_strict and plan.verdict.word != "breached":
        head += paragraph("With --strict, a tolerated flow counts as a breach.", width)
    return head


def _nothing_section(plan: Plan, width: int) -> list[Text]:
    return paragraph("Nothing to act on." if plan.flows else "The file has no flow to judge.", width, style="bold")


def _lint_findings(plan: Plan, width: int) -> list[Text]:
    lines = paragraph("In the file", width, style="bold") if plan.remarks or plan.notes else []
    where = ""
    for lint_finding in plan.remarks:
        if lint_finding.where != where:
            lines.append(styled_line(("  " + lint_finding.where, "cyan")))
        where = lint_finding.where
        lines += paragraph(lint_finding.says, width, first=("    - ", "dim"))
    return lines + [line for note in plan.notes for line in paragraph(note, width, first=("  - ", ""))]


def _proposal(plan: Plan, width: int) -> list[Text]:
    if plan.policy is None:
        return []
    if plan.proposal is None:
        return paragraph("The networks of the file are the smallest set for the policy.", width)
    few = pluralize(len(plan.proposal.networks), "network")
    how = "the smallest set" if plan.proposal.exact else "a small set"
    head = f"Proposal: {few}, {how} in which services share a network only where the policy needs it"
    lines = paragraph(head, width, style="bold")
    for text in (*_effects(plan.proposal), *plan.proposal.notes, _how_to_apply(plan.proposal)):
        lines += paragraph(text, width, first=("  ", ""))
    lines += _yaml(plan.proposal.yaml)
    return [*lines, *_step(plan.proposal.step, width)]


def _yaml(text: str) -> list[Text]:
    return [Text(""), *(styled_line(("    " + line, "cyan")) for line in text.splitlines())]


def _effects(proposal: ProposalPart) -> Iterator[str]:
    if proposal.shuts:
        yield f"It closes {_join_names(proposal.shuts)}."
    if proposal.opens:
        yield f"It opens {_join_names(proposal.opens)}."
    if proposal.leaves_open:
        left = _join_names(proposal.leaves_open)
        yield f"It leaves open {left}: no choice of networks closes these."
    if proposal.tolerates:
        tolerated = _join_names([part.what for part in proposal.tolerates])
        yield f"It tolerates {tolerated}: no choice of networks closes what is open there."


def _how_to_apply(proposal: ProposalPart) -> str:
    result = "the plan is then sound" if proposal.sound else "the plan then lists what networks do not decide"
    return f"Save it as proposal.yml and add it after your files with `-f proposal.yml`: {result}."


def _step(step: FirstStepPart | None, width: int) -> list[Text]:
    """Return the first step: a change of one network, which leaves more open than the proposal."""
    if step is None:
        return []
    numbers = f"closes {pluralize(step.closes, 'pair')} of source and target, leaves {step.leaves_open} open"
    head = paragraph(f"A smaller first step: {step.sentence}", width, style="bold")
    return [
        Text(""),
        *head,
        *paragraph(f"It {numbers} that the policy does not need.", width, first=("  ", "")),
        *_yaml(step.yaml),
    ]


def _join_names(names: Sequence[str]) -> str:
    return join_names(names, 2 * MAX_NAMED)


def _basis(plan: Plan, summary: Summary, width: int) -> list[Text]:
    assumed, coverage = plan.assumed, plan.coverage
    engine = (
        f"{assumed.engine} {assumed.version} (--engine), with the FORWARD policy {assumed.forward_policy} that it sets"
    )
    rows = [
        ("counts", counted(summary.flow_counts, "flow")),
        ("", counted(summary.connection_counts, "connection")),
        ("from", "the file only: no container was started and no flow was probed; `cloison prove` does that"),
        ("engine", engine),
        (
            "ports",
            "those in the file and in the policy; the ports that an image exposes or a process opens are not known",
        ),
        *(("external", f"assumed to be {text} (--external)") for text in (assumed.external,) if text),
        *(("skipped", f"{item.what}: {item.why}") for item in coverage.skipped),
    ]
    lines = paragraph("Basis", width, style="bold")
    for label, text in rows:
        lines += paragraph(text, width, first=(f"  {label:<10}", "dim"))
    return lines
