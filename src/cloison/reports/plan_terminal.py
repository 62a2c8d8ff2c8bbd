"""The report of a plan for a terminal: what the file draws, where it says so, and how few networks would do.

Rule: nothing here was seen. The words are those of a drawing (`would reach`, `predicted`), and the
report never says that something is proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import asdict
from rich.text import Text

from cloison.model.outcome import Outcome, Reach
from cloison.plan.schema import Plan, PlannedFlow, ProposalPart
from cloison.proof.schema import FlowPart, VantagePart, digest
from cloison.reports import advice as proof_advice
from cloison.reports.action_items import group_flows, tolerations_of
from cloison.reports.advice import Advice
from cloison.reports.matrix import MAX_NAMED, join_names, matrix_of
from cloison.reports.sections import (
    EntryTemplates,
    action_section,
    join_sections,
    matrix_section,
    pluralize,
    toleration_section,
)
from cloison.reports.terminal import MIN_WIDTH, TOTALS
from cloison.reports.text import paragraph, render_lines, styled_line
from cloison.reports.topology import ResolvedFlow, Topology, topology_of
from cloison.verdict.judge import Cause, Judgement

VERDICTS: Final = {
    "sound": ("SOUND", "bold green"),
    "drawn": ("DRAWN", "bold"),
    "breached": ("BREACHED", "bold red"),
    "undecided": ("UNDECIDED", "bold yellow"),
}
ENTRY_TEMPLATES: Final[EntryTemplates] = {
    Judgement.BREACH: ("BREACH", "{source} would reach {door}{where}", "{source} would reach {door}{where}"),
    Judgement.BROKEN: ("BROKEN", "{source} would not reach {door}{where}", "{source} would not reach {door}{where}"),
    Judgement.UNKNOWN: ("UNDECIDED", "{source} -> {door}{where}", "{source} -> {door}{where}"),
    Judgement.TOLERATED: ("TOLERATED", "{source} -> {door}{where}", "{source} -> {door}{where}"),
}
"""How a finding begins; what else there is needs nobody to act."""
OUTCOMES: Final = {Reach.OPEN: Outcome.ACCEPTED, Reach.SHUT: Outcome.SILENT, Reach.UNKNOWN: Outcome.ERROR}
CAUSES: Final = {Judgement.BREACH: Cause.FILE}
UNDECIDED: Final = Advice(
    "the file alone does not decide this; the running project does",
    ("cloison prove",),
)
NO_POLICY: Final = (
    "The file has no policy (x-cloison), so there is nothing to hold it against: this is what it draws. "
    "With a policy, a plan tells which doors nobody needs, and how few networks would do."
)


def render(plan: Plan, *, color: bool, width: int, strict: bool) -> str:
    """Return the report for a terminal of `width` columns."""
    available_width, topology, flows = max(width, MIN_WIDTH), topology_of(plan.project, plan.endpoints), _flows(plan)
    matrix = matrix_of(topology, flows)
    parts = (
        _headline(plan, available_width, strict=strict),
        [] if plan.policy else paragraph(NO_POLICY, available_width),
        matrix_section(matrix, available_width),
        action_section(
            group_flows(topology, flows, strict=strict, advice=_advice), matrix, available_width, ENTRY_TEMPLATES
        )
        or _nothing_section(plan, available_width),
        [] if strict else toleration_section(tolerations_of(topology, flows, plan.policy), matrix, available_width),
        _lint_findings(plan, available_width),
        _proposal(plan, available_width),
        _basis(plan, available_width),
        [styled_line(("plan sha256:" + digest(plan), "dim"))],
    )
    return render_lines(join_sections(parts), color=color, width=available_width)


def _flows(plan: Plan) -> list[ResolvedFlow]:
    """Return every flow with its ends, in the form in which the parts of a report take it."""
    named = {end.place for end in plan.endpoints if end.service_port}
    starts = [VantagePart(place.place, place.container, "", "") for place in plan.vantages]
    ends = plan.endpoints
    return [
        ResolvedFlow(_flow(f), starts[f.vantage], ends[f.endpoint], ends[f.endpoint].place in named) for f in plan.flows
    ]


def _flow(flow: PlannedFlow) -> FlowPart:
    observed_fields: Mapping[str, Any] = {
        "observed": flow.predicted,
        "outcome": OUTCOMES[flow.predicted],
        "evidence": flow.rule,
        "cause": CAUSES.get(flow.judgement),
        "drift": False,
    }
    return FlowPart(**asdict(flow), **observed_fields)


def _advice(topology: Topology, item: ResolvedFlow) -> Advice:
    """Return what to do about a flow; where nobody knows, no second look at the file helps."""
    return UNDECIDED if item.flow.judgement is Judgement.UNKNOWN else proof_advice.advice(topology, item)


def _headline(plan: Plan, width: int, *, strict: bool) -> list[Text]:
    exceeds_strict = strict and plan.totals.get(Judgement.TOLERATED, 0) > 0
    word, style = VERDICTS["breached" if exceeds_strict else plan.verdict.word]
    engine = f"on paper, for {plan.assumed.engine} {plan.assumed.version}"
    facts = [plan.project.name, engine, f"{pluralize(len(plan.flows), 'flow')} predicted"]
    head = paragraph(" · ".join(facts), width, first=(f"{word}  ", style))
    if exceeds_strict and plan.verdict.word != "breached":
        head += paragraph("With --strict, what is tolerated counts as a breach.", width)
    return head


def _nothing_section(plan: Plan, width: int) -> list[Text]:
    return paragraph("Nothing to act on." if plan.flows else "The file draws nothing to judge.", width, style="bold")


def _lint_findings(plan: Plan, width: int) -> list[Text]:
    lines = paragraph("In the file", width, style="bold") if plan.remarks or plan.notes else []
    where = ""
    for remark in plan.remarks:
        if remark.where != where:
            lines.append(styled_line(("  " + remark.where, "cyan")))
        where = remark.where
        lines += paragraph(remark.says, width, first=("    - ", "dim"))
    return lines + [line for note in plan.notes for line in paragraph(note, width, first=("  - ", ""))]


def _proposal(plan: Plan, width: int) -> list[Text]:
    if plan.policy is None:
        return []
    if plan.proposal is None:
        return paragraph("The networks are the smallest set that the policy needs.", width)
    few = pluralize(len(plan.proposal.networks), "network")
    how = "the smallest set" if plan.proposal.exact else "a small set"
    head = f"What the policy needs: {few}, {how} on which nobody meets whom it does not need"
    lines = paragraph(head, width, style="bold")
    for text in _effects(plan.proposal):
        lines += paragraph(text, width, first=("  ", ""))
    return [*lines, Text(""), *(styled_line(("    " + line, "cyan")) for line in plan.proposal.yaml.splitlines())]


def _effects(proposal: ProposalPart) -> Iterator[str]:
    if proposal.shuts:
        yield f"It shuts {_join_names(proposal.shuts)}."
    if proposal.opens:
        yield f"It opens {_join_names(proposal.opens)}."
    if proposal.leaves_open:
        left = _join_names(proposal.leaves_open)
        yield f"It leaves open {left}: a choice of networks does not shut these."
    fresh = [network.key for network in proposal.networks if network.is_new and len(network.members) > 1]
    if fresh:
        yield (
            f"Members of one network still reach each other on every port: where the policy names ports, "
            f"tolerate {_join_names(fresh)} by name."
        )


def _join_names(names: Sequence[str]) -> str:
    return join_names(names, 2 * MAX_NAMED)


def _basis(plan: Plan, width: int) -> list[Text]:
    assumed, coverage = plan.assumed, plan.coverage
    words = [f"{plan.totals[key]} {word}" for key, word in TOTALS.items() if plan.totals.get(key)]
    engine = (
        f"{assumed.engine} {assumed.version} (--engine), with the FORWARD policy {assumed.forward_policy} that it sets"
    )
    rows = [
        ("flows", f"{coverage.flows} predicted, {coverage.unknown} not known: {', '.join(words) or 'nothing'}"),
        ("from", "the file alone: nothing was started, nothing was looked at; `cloison prove` looks"),
        ("engine", engine),
        ("ports", "those that file and policy name; what an image exposes or a process opens is not known"),
        *(("external", f"taken for {text} (--external)") for text in (assumed.external,) if text),
        *(("skipped", f"{item.what}: {item.why}") for item in coverage.skipped),
    ]
    lines = paragraph("Basis", width, style="bold")
    for label, text in rows:
        lines += paragraph(text, width, first=(f"  {label:<10}", "dim"))
    return lines
