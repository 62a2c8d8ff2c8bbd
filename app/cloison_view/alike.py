"""Folds places that a document treats alike into one: replicas under several names are one row and one column.

Input: a `Summary`. Output: a `Summary` whose connections start and end at the folded places.
Ranges of ports with equal cells are folded in the same way.
Rule: two services are alike only if they are on the same networks, have the same ports, and exchanging them changes no
cell of the matrix. Counts are those of the summary that was folded, so all reports agree. A plan names services of
which it models two (`alike`); the name of a folded place counts all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from cloison_view.connections import StatePositions
from cloison_view.labels import HOST, natural_key
from cloison_view.ports import TargetPort
from cloison_view.records import Records
from cloison_view.summary import Pair, Summary, connections_of

MIN_FOLDED: Final = 3
"""The fewest services that share a row."""
NUMBERED: Final = re.compile(r"(.*?)[0-9]+")
Cells = dict[str, dict[str, list[Hashable]]]
"""The cells by a place and the place at the other end."""


def fold(summary: Summary) -> Summary:
    """Return the summary with one place for all services that are alike, and one port for a range of ports."""
    ranges = _ranges(summary)
    ranged = replace(merged(summary, {}, ranges), whole=summary, ranges=ranges) if ranges else summary
    members = {folded_name(names): tuple(names) for names in _groups(ranged)}
    labels = {place: label for label, names in members.items() for place in names}
    if not labels:
        return ranged
    return replace(merged(ranged, labels, {}), whole=summary, labels=labels, members=members, ranges=ranges)


def merged(summary: Summary, labels: Mapping[str, str], ranges: Mapping[TargetPort, TargetPort]) -> Summary:
    """Return the summary of the same flows between other places and ports."""
    states: dict[Pair, StatePositions] = {}
    ends = {end: _labelled(ranges.get(end, end), labels) for held in summary.ports.values() for end in held}
    for (source, end), found in summary.states.items():
        held = states.setdefault((labels.get(source, source), ends[end]), {})
        for state, flows in found.items():
            held.setdefault(state, []).extend(flows)
    return Summary(summary.records, states, connections_of(summary.records, states))


def _ranges(summary: Summary) -> dict[TargetPort, TargetPort]:
    """Return the range of each port that its neighbours are alike in every cell, for ranges of several ports."""
    columns: dict[TargetPort, list[Hashable]] = {}
    for found in summary.connections:
        cell = (found.intended, found.predicted, found.observed, found.judgement, found.is_open, found.drift)
        columns.setdefault(found.end, []).append((found.source, *cell, found.scope))
    runs: list[list[TargetPort]] = []
    for end in sorted(end for end in columns if end.port and not end.last_port and end.place != HOST):
        last = runs[-1][-1] if runs else None
        if last and end == last._replace(port=last.port + 1) and columns[end] == columns[last]:
            runs[-1].append(end)
        else:
            runs.append([end])
    long_runs = [run for run in runs if len(run) >= MIN_FOLDED]
    return {end: run[0]._replace(last_port=run[-1].port) for run in long_runs for end in run}


def _labelled(end: TargetPort, labels: Mapping[str, str]) -> TargetPort:
    return end._replace(place=labels[end.place]) if end.place in labels else end


def folded_name(names: Iterable[str]) -> str:
    """Return the name of services that are alike: `worker-1…worker-8 (8)`, or `api and 2 more`."""
    found = sorted(names, key=natural_key)
    prefixes = {match[1] if (match := NUMBERED.fullmatch(name)) else name for name in found}
    if len(prefixes) == 1:
        return f"{found[0]}…{found[-1]} ({len(found)})"
    return f"{found[0]} and {len(found) - 1} more"


def _groups(summary: Summary) -> list[list[str]]:
    """Return the services that are alike, in groups that are large enough."""
    rows, columns = _cells(summary)
    alike: dict[Hashable, list[list[str]]] = {}
    for place in [name for name in summary.records.networks if name in rows or name in columns]:
        groups = alike.setdefault(_signature(summary, place, rows, columns), [])
        known = next((group for group in groups if _is_alike(group[0], place, rows, columns)), None)
        if known is None:
            groups.append([place])
        else:
            known.append(place)
    expanded = (_members(summary.records, group) for groups in alike.values() for group in groups if len(group) > 1)
    return [names for names in expanded if len(names) >= MIN_FOLDED]


def _members(records: Records, places: Iterable[str]) -> list[str]:
    """Return the services of a group, with those for which its modelled ones stand."""
    return sorted({name for place in places for name in (place, *records.alike.get(place, ()))}, key=natural_key)


def _cells(summary: Summary) -> tuple[Cells, Cells]:
    """Return what each place reaches, and what each place is reached by."""
    rows: Cells = {}
    columns: Cells = {}
    for found in summary.connections:
        port = (found.end.protocol, found.end.port, found.end.last_port)
        cell = (port, found.judgement, found.is_open, found.drift, found.scope)
        rows.setdefault(found.source, {}).setdefault(found.target, []).append(cell)
        columns.setdefault(found.target, {}).setdefault(found.source, []).append(cell)
    return rows, columns


def _signature(summary: Summary, place: str, rows: Cells, columns: Cells) -> Hashable:
    """Return what places that are alike have in common, whatever the order of the others."""
    ports = tuple((end.protocol, end.port, end.last_port) for end in summary.ports.get(place, ()))
    cells = (Counter(map(tuple, side.get(place, {}).values())) for side in (rows, columns))
    return summary.records.networks[place], ports, *(frozenset(counted.items()) for counted in cells)


def _is_alike(one: str, other: str, rows: Cells, columns: Cells) -> bool:
    """Whether exchanging two places changes no cell."""
    return all(_exchanged(side.get(one, {}), one, other) == side.get(other, {}) for side in (rows, columns))


def _exchanged(cells: Mapping[str, list[Hashable]], one: str, other: str) -> dict[str, list[Hashable]]:
    """Return the cells of `one` under the names that they have when both places are exchanged."""
    names = {one: other, other: one}
    return {names.get(place, place): held for place, held in cells.items()}
