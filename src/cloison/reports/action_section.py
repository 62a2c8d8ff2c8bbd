"""The section of a terminal report with what needs action, one entry for each cause.

Input: groups of flows, and templates of sentences. Output: lines of text.
Rule: an entry says what is open, why, what to do, and which line of policy would allow or accept it. It does not depend
on whether a flow was observed or predicted; the caller passes the sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from rich.text import Text

from cloison.reports.limits import MAX_NAMES, Limits, more
from cloison.reports.limits import names as names_of
from cloison.reports.symbols import SYMBOLS
from cloison.reports.text import paragraph, styled_line
from cloison_view.action_items import Advice, ReportedConnection
from cloison_view.cause_groups import ActionGroup, CauseKind
from cloison_view.labels import ACTIONABLE, OUTSIDE, display_name, join_names, pluralize, sort_places, to_act_on
from cloison_view.policy_lines import ACCEPT, ALLOW, policy_lines
from cloison_view.ports import TargetPort, group_by_ports, sorted_ports
from cloison_view.summary import Summary

EntryTemplates = Mapping[str, tuple[str, str, str]]
"""The label of an entry, and the sentence of a connection from one source and from several."""
WHOLE_PLACES: Final = (CauseKind.EGRESS, CauseKind.HOST)
"""Kinds in which a place by its name alone stands for all of its ports; others name listeners."""
PLACED: Final = (CauseKind.OTHER, CauseKind.PUBLISHED, CauseKind.FOREIGN)
"""Kinds whose connections are shown with their addresses: the addresses say what to look for."""
HINT: Final = "`allow` is for x-cloison.allow; `accept` is for x-cloison.tolerate, with a `why:`"
ANY_OTHER: Final = "any other port"
MAX_LISTENERS: Final = 2
"""One of many networks names this many listeners."""
MAX_LINES: Final = 2
"""A paragraph of a short report has this many lines."""
Mark = tuple[str, str]
"""A text and its style."""


def action_section(
    groups: Sequence[ActionGroup], summary: Summary, width: int, templates: EntryTemplates, limits: Limits
) -> list[Text]:
    """Return the entries under the number of their connections; tolerated ones count where groups have them.

    A short report gives a piece of advice once.
    """
    if not groups:
        return []
    judgements = dict.fromkeys((*ACTIONABLE, *(group.judgement for group in groups)))
    lines = paragraph(to_act_on(summary.counts_of(*judgements)), width, style="bold")
    entries, said = _entries(groups, limits), set[Advice]()
    for entry in entries[: limits.items]:
        lines += [Text("")] if limits.is_spaced else []
        lines += _entry(entry, summary, width, templates, limits)
        advices = [advice for advice in _advices(entry) if limits.is_spaced or advice not in said]
        lines += [*_advice(advices, width, limits), *_policy(entry, summary, width, limits)]
        said.update(advices[: limits.advices])
    lines += more(len(entries) - limits.items, "entry", plural="more entries")
    shown = [group for entry in entries[: limits.items] for group in entry]
    if any(_policy_lines(group, summary, limits) for group in shown):
        lines += [Text(""), *paragraph(HINT, width, first=("  ", ""))]
    return lines


def _entries(groups: Sequence[ActionGroup], limits: Limits) -> list[list[ActionGroup]]:
    """Return the groups of each entry: one, or all networks where there are many."""
    if not limits.networks:
        return [[group] for group in groups]

    def key(group: ActionGroup) -> object:
        return (group.judgement, group.kind) if group.kind is CauseKind.NETWORK else id(group)

    return [list(found) for _, found in groupby(groups, key=key)]


def _entry(
    groups: Sequence[ActionGroup], summary: Summary, width: int, templates: EntryTemplates, limits: Limits
) -> list[Text]:
    first = groups[0]
    label, *sentences = templates[first.judgement]
    mark = f"  {label} (drift)  " if first.cause == "drift" else f"  {label}  ", SYMBOLS[first.judgement][0].style
    if first.kind is CauseKind.OTHER:
        lines = _limited(_sentences(first, summary, sentences), width, mark, limits)
    elif len(groups) == 1:
        lines = _group(first, _texts(first, summary, sentences, limits), width, mark, limits)
    else:
        lines = _networks(groups, width, mark, limits)
    reasons = list(dict.fromkeys(reason for group in groups for reason in group.reasons))
    for reason in reasons[: limits.reasons]:
        lines += paragraph(reason, width, first=("    why    ", "dim"))
    if 0 < limits.reasons < len(reasons):
        hidden = pluralize(len(reasons) - limits.reasons, "reason")
        lines.append(styled_line((f"           and {hidden} of the same kind", "")))
    return lines


def _advices(groups: Sequence[ActionGroup]) -> list[Advice]:
    return list(dict.fromkeys(advice for group in groups for advice in group.advices))


def _group(group: ActionGroup, texts: Sequence[str], width: int, mark: Mark, limits: Limits) -> list[Text]:
    head = f"{group.cause_words}: {pluralize(group.count, 'connection')}"
    return [*paragraph(head, width, first=mark), *_limited(texts, width, ("    ", ""), limits)]


def _texts(group: ActionGroup, summary: Summary, sentences: Sequence[str], limits: Limits) -> list[str]:
    """Return what a group opens: of a network whose members reach each other, and of a crowded one, in one sentence."""
    if group.is_mesh:
        return [_mesh(group, sentences[1])]
    texts = _sentences(group, summary, sentences)
    return (
        [_among(group)] if limits.networks and group.kind is CauseKind.NETWORK and len(texts) > limits.texts else texts
    )


def _networks(groups: Sequence[ActionGroup], width: int, mark: Mark, limits: Limits) -> list[Text]:
    """Return one line for each network: its members and their listeners."""
    count = sum(group.count for group in groups)
    lines = paragraph(f"{pluralize(len(groups), 'network')}: {pluralize(count, 'connection')}", width, first=mark)
    for group in groups[: limits.networks]:
        lines += _cut(paragraph(_among(group), width, first=(f"    {group.network}: ", "bold")), limits)
    return lines + more(len(groups) - limits.networks, "network", indent="    ")


def _among(group: ActionGroup) -> str:
    members = names_of([display_name(name) for name in sort_places([*group.sources, *group.targets])])
    ends = names_of([end.label for end in _listeners(group)], MAX_LISTENERS) or ANY_OTHER
    return f"among {members}, at {ends}"


def _limited(texts: Sequence[str], width: int, mark: Mark, limits: Limits) -> list[Text]:
    lines = [line for text in texts[: limits.texts] for line in _cut(paragraph(text, width, first=mark), limits)]
    return lines + more(len(texts) - limits.texts, "of this kind", indent="    ", plural="more of this kind")


def _cut(lines: list[Text], limits: Limits) -> list[Text]:
    """Return the lines of a paragraph, the first two of it in a short report."""
    if limits.is_spaced or len(lines) <= MAX_LINES:
        return lines
    return [*lines[: MAX_LINES - 1], lines[MAX_LINES - 1] + styled_line((" …", "dim"))]


def _advice(advices: Sequence[Advice], width: int, limits: Limits) -> list[Text]:
    lines: list[Text] = []
    hidden = len(advices) - limits.advices
    for i, advice in enumerate(advices[: limits.advices]):
        others = f" (and {pluralize(hidden, 'more change')})" if hidden > 0 and i == limits.advices - 1 else ""
        first = ("           " if i else "    do     ", "dim")
        lines += _cut(paragraph(advice.sentence + others, width, first=first), limits)
        lines += [styled_line(("           $ ", "dim"), (command, "cyan")) for command in advice.commands]
    return lines


def _sentences(group: ActionGroup, summary: Summary, sentences: Sequence[str]) -> list[str]:
    """Return a sentence for the sources that reach the same ports at the same addresses; the outside comes first."""
    from_one, from_many = sentences
    found = sorted(group.connections, key=lambda connection: connection.source != OUTSIDE)
    texts = []
    for where in dict.fromkeys(_where(group, connection) for connection in found):
        ports = [port for each in found if _where(group, each) == where for port in each.scoped_ports]
        for names, ends in group_by_ports(ports, summary.ports if group.kind in WHOLE_PLACES else {}):
            sentence = from_many if ", " in names or names in summary.members else from_one
            texts.append(sentence.format(source=names, target=ends, where=where))
    return texts


def _where(group: ActionGroup, connection: ReportedConnection) -> str:
    return connection.where if group.kind in PLACED else ""


def _mesh(group: ActionGroup, sentence: str) -> str:
    members = join_names([display_name(name) for name in group.sources], len(group.sources))
    ends = names_of([*(end.label for end in _listeners(group)), ANY_OTHER])
    return sentence.format(source=members, target="each other", where=f", at {ends}")


def _listeners(group: ActionGroup) -> list[TargetPort]:
    """Return the ports with a number, by place."""
    ends = {end for connection in group.connections for end in connection.ends if end.port}
    return [end for place in group.targets for end in sorted_ports(end for end in ends if end.place == place)]


def _policy(groups: Sequence[ActionGroup], summary: Summary, width: int, limits: Limits) -> list[Text]:
    found = [line for group in groups for line in _policy_lines(group, summary, limits)]
    accepted = [line for mark, line in found if mark == ACCEPT]
    shown = found if len(groups) == 1 else [(ACCEPT, accepted[0])] if accepted else []
    lines = []
    for mark, line in shown:
        others = f"  (and the same for {names_of([g.network for g in groups[1:]])})" if len(groups) > 1 else ""
        lines += paragraph(line + others, width, first=(f"    {mark:<7}", "dim"), style="cyan")
    return lines


def _policy_lines(group: ActionGroup, summary: Summary, limits: Limits) -> list[Mark]:
    """Return lines of policy with their marks, as many as a report shows; the mark stands once before equal ones."""
    found = policy_lines(group, summary, max_names=None if limits.is_spaced else MAX_NAMES)
    allowed = [line.text for line in found if line.kind == ALLOW][: limits.policy]
    lines = list(zip((ALLOW, *[""] * len(allowed)), allowed, strict=False))
    return [*lines, *((ACCEPT, line.text) for line in found if line.kind == ACCEPT)]
