"""The terminal report of a plan: verdict, action items, predicted matrix, lint findings, proposal, verdict again.

Input: a plan. Output: text for a terminal of a given width.
Rule: a plan observes nothing. Its sentences say `would reach` and `predicted`, and never that something is proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec.structs import asdict
from rich.text import Text

from cloison.model.outcome import Outcome, Reach
from cloison.model.text import joined
from cloison.plan.schema import FirstStepPart, Plan, PlannedFlow, ProposalPart
from cloison.proof.schema import FlowPart, VantagePart, digest
from cloison.reports.action_section import EntryTemplates, action_section
from cloison.reports.findings_section import findings_section
from cloison.reports.limits import FULL, Limits, limits_for, more
from cloison.reports.sections import join_sections, matrix_section, toleration_section
from cloison.reports.terminal import MIN_WIDTH
from cloison.reports.text import paragraph, render_lines, styled_line
from cloison.reports.verdict_line import last_words, strict_note, verdict_mark
from cloison.verdict.judge import Cause, Judgement
from cloison_view.action_items import Advice, Advise, tolerations
from cloison_view.advice import advice
from cloison_view.alike import fold
from cloison_view.attachments import Attachments, ResolvedFlow, attachments_of
from cloison_view.cause_groups import action_groups
from cloison_view.folded_advice import folded_changes
from cloison_view.labels import MAX_NAMED, counted, join_names, pluralize
from cloison_view.overview import overview
from cloison_view.summary import Summary, summarize

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
ASSUME_EXTERNAL: Final = "cloison plan --external bridge|internal"
NOT_TRIED: Final = Advice("too many flows to try a change for each: change the networks in the file, and plan again")
SAVE: Final = "cloison plan --format json | jq -r .proposal.yaml > proposal.yml"
UNDECIDED: Final = Advice(
    "the file does not decide this: prove the running project",
    ("cloison prove",),
)
KNOWN_PORTS: Final = (
    "those in the file and in the policy; the ports that an image exposes or a process opens are not known"
)
NO_POLICY: Final = (
    "The file has no policy (x-cloison): the plan shows the flows that the file opens. With a policy it also shows "
    "the connections that are not needed, and the smallest set of networks."
)


def render(plan: Plan, *, color: bool, width: int, strict: bool, full: bool = False) -> str:
    """Return the report for a terminal of `width` columns; `full` leaves nothing out."""
    available_width, summary = max(width, MIN_WIDTH), fold(summarize(plan))
    limits = FULL if full else limits_for(summary)
    groups = action_groups(summary, plan_advice(plan, summary), strict=strict)
    parts = (
        [*_headline(plan, available_width, strict=strict), *paragraph(overview(summary, groups), available_width)],
        [] if plan.policy else paragraph(NO_POLICY, available_width),
        action_section(groups, summary, available_width, ENTRY_TEMPLATES, limits)
        or _nothing_section(plan, available_width),
        matrix_section(summary, available_width, limits),
        [] if strict else toleration_section(tolerations(summary), summary, available_width, limits),
        findings_section(plan, available_width, limits),
        _proposal(plan, available_width, limits),
        _basis(plan, summary, available_width, limits),
        [
            styled_line(("plan sha256:" + digest(plan), "dim")),
            *paragraph(
                last_words(plan, summary.connection_counts), available_width, first=verdict_mark(plan, strict=strict)
            ),
        ],
    )
    return render_lines(join_sections(parts), color=color, width=available_width)


def plan_advice(plan: Plan, summary: Summary) -> Advise:
    """Return a function that returns what to do about the flow at a position; an undecided flow needs a proof."""
    attachments, tried = attachments_of(plan.project, plan.endpoints), folded_changes(plan, summary)

    def advise(position: int) -> Advice:
        item = _resolve(plan, plan.flows[position])
        if item.flow.judgement is Judgement.UNKNOWN:
            return _undecided(plan, attachments, item)
        if item.flow.judgement is Judgement.TOLERATED:
            return advice(attachments, item)
        return tried.get(position, NOT_TRIED)

    return advise


def _undecided(plan: Plan, attachments: Attachments, item: ResolvedFlow) -> Advice:
    """Return what decides a flow: the kind of its external networks, or a proof."""
    declared = (attachments.declared.get(end.place, frozenset()) for end in (item.source, item.target))
    names = frozenset({item.target.network}).union(*declared)
    external = [known.key for known in plan.project.networks if known.external and known.name in names]
    if plan.assumed.external or not external:
        return UNDECIDED
    sentence = (
        f"the file does not say whether {joined(sorted(external))} is internal: assume it, or prove the running project"
    )
    return Advice(sentence, (ASSUME_EXTERNAL, *UNDECIDED.commands))


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
    engine = f"predicted for {plan.assumed.engine} {plan.assumed.version}"
    facts = [plan.project.name, engine, f"{pluralize(len(plan.flows), 'flow')} predicted"]
    head = paragraph(" · ".join(facts), width, first=verdict_mark(plan, strict=strict))
    note = strict_note(plan, strict=strict)
    return head + (paragraph(note, width) if note else [])


def _nothing_section(plan: Plan, width: int) -> list[Text]:
    return paragraph("Nothing to act on." if plan.flows else "The file has no flow to judge.", width, style="bold")


def _proposal(plan: Plan, width: int, limits: Limits) -> list[Text]:
    if plan.policy is None:
        return []
    if plan.proposal is None:
        return paragraph("The networks of the file are the smallest set for the policy.", width)
    few = pluralize(len(plan.proposal.networks), "network")
    how = "the fewest" if plan.proposal.exact else "few"
    head = f"Proposal: {few}, {how} in which services share only what the policy needs"
    lines = paragraph(head, width, style="bold")
    texts = [*_effects(plan.proposal, 2 * MAX_NAMED if limits.is_spaced else MAX_NAMED), *plan.proposal.notes]
    for text in (*texts[: limits.effects], _how_to_apply(plan.proposal, limits)):
        lines += paragraph(text, width, first=("  ", ""))
    lines += _yaml(plan.proposal.yaml, limits)
    return [*lines, *_step(plan.proposal.step, width, limits)]


def _yaml(text: str, limits: Limits) -> list[Text]:
    yaml = text.splitlines()
    if not limits.yaml_lines:
        return []
    shown = [styled_line(("    " + line, "cyan")) for line in yaml[: limits.yaml_lines]]
    hidden = more(len(yaml) - len(shown), "line of YAML", plural="more lines of YAML")
    return [*([Text("")] if shown else []), *shown, *hidden]


def _effects(proposal: ProposalPart, most: int = 2 * MAX_NAMED) -> Iterator[str]:
    if proposal.shuts:
        yield f"It closes {join_names(proposal.shuts, most)}."
    if proposal.opens:
        yield f"It opens {join_names(proposal.opens, most)}."
    if proposal.leaves_open:
        left = join_names(proposal.leaves_open, most)
        yield f"It leaves open {left}: no choice of networks closes these."
    if proposal.tolerates:
        tolerated = join_names([part.what for part in proposal.tolerates], most)
        yield f"It tolerates {tolerated}: no choice of networks closes what is open there."


def _how_to_apply(proposal: ProposalPart, limits: Limits) -> str:
    result = "the plan is then sound" if proposal.sound else "the plan then lists what networks do not decide"
    is_whole = len(proposal.yaml.splitlines()) <= limits.yaml_lines
    save = "Save it as proposal.yml" if is_whole else f"Save it (`{SAVE}`)"
    return f"{save} and add it after your files with `-f proposal.yml`: {result}."


def _step(step: FirstStepPart | None, width: int, limits: Limits) -> list[Text]:
    """Return the first step: a change of one network, which leaves more open than the proposal."""
    if step is None or not limits.yaml_lines:
        return []
    numbers = f"closes {pluralize(step.closes, 'pair')} of source and target, leaves {step.leaves_open} open"
    head = paragraph(f"A smaller first step: {step.sentence}", width, style="bold")
    return [
        Text(""),
        *head,
        *paragraph(f"It {numbers} that the policy does not need.", width, first=("  ", "")),
        *_yaml(step.yaml, limits),
    ]


def _classes(plan: Plan) -> str:
    """Return how many services the flows of others stand for, empty for none."""
    if not plan.alike:
        return ""
    services = sum(len(found.services) for found in plan.alike)
    classes = pluralize(len(plan.alike), "class", "classes")
    return f"{services} services in {classes} are predicted alike: two of each are counted"


def _basis(plan: Plan, summary: Summary, width: int, limits: Limits) -> list[Text]:
    assumed, coverage = plan.assumed, plan.coverage
    engine = (
        f"{assumed.engine} {assumed.version} (--engine), with the FORWARD policy {assumed.forward_policy} that it sets"
    )
    rows = [
        ("counts", counted(summary.flow_counts, "flow")),
        *(("classes", text) for text in (_classes(plan),) if text),
        ("from", "the file only: nothing was started or probed"),
        *((("engine", engine), ("ports", KNOWN_PORTS)) if limits.is_spaced else ()),
        *(("external", f"assumed to be {text} (--external)") for text in (assumed.external,) if text),
        *(("skipped", f"{item.what}: {item.why}") for item in coverage.skipped),
    ]
    lines = paragraph("Basis", width, style="bold")
    for label, text in rows:
        lines += paragraph(text, width, first=(f"  {label:<10}", "dim"))
    return lines
