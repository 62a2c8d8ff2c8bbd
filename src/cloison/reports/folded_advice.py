"""Advice about services that are alike, given once for all of them under their common name.

Input: a document and its folded `Summary`. Output: an `Advise` function, and flows and topologies with folded places.
Rule: a command names one container, so only the advice that changes the file is given to all.
"""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from cloison.proof.schema import Proof
from cloison.reports.advice import advice
from cloison.reports.topology import ResolvedFlow, Topology, read_topology, resolve
from cloison.verdict.judge import Cause
from cloison_view.action_items import Advice, Advise
from cloison_view.summary import Summary


def folded_advice(proof: Proof, summary: Summary) -> Advise:
    """Return a function that returns what to do about the flow at a position of a proof."""
    topology = folded_topology(read_topology(proof), summary)

    def advise(position: int) -> Advice:
        item = resolve(proof, position)
        return advice(topology, folded_flow(item, summary, position) if item.flow.cause is Cause.FILE else item)

    return advise


def folded_topology(topology: Topology, summary: Summary) -> Topology:
    """Return a topology that has the folded places too: their services are on the same networks."""
    declared = {label: topology.declared[names[0]] for label, names in summary.members.items()}
    return replace(topology, declared={**topology.declared, **declared})


def folded_flow(item: ResolvedFlow, summary: Summary, position: int) -> ResolvedFlow:
    """Return the flow at a position between the folded places and at the range of ports of its connection."""
    source, end = summary.pair(position)
    ports = end.numbers if end.last_port else ""
    if (source, end.place, ports) == (item.source.place, item.target.place, item.ports):
        return item
    return replace(
        item,
        source=structs.replace(item.source, place=source),
        target=structs.replace(item.target, place=end.place),
        ports=ports,
    )
