"""Pairs of documents that differ in one thing."""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec.structs import replace
from tests.unit.reports.sample_proofs import stack

from cloison.diff.compare import compare
from cloison.diff.schema import ChangePart, Diff
from cloison.model.outcome import Reach
from cloison.proof.schema import Proof
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Judgement

State = tuple[str, str, str]
"""What a flow is intended to be, what was observed, and its judgement."""


@cache
def base() -> Proof:
    """Return the proof of three services on two networks, all as the policy says."""
    return stack().proof()


def position(proof: Proof, source: str, target: str, port: int) -> int:
    """Return the position of the first flow between two places to a port."""
    return next(
        at
        for at, flow in enumerate(proof.flows)
        if (proof.vantages[flow.vantage].place, proof.endpoints[flow.endpoint].place) == (source, target)
        and proof.endpoints[flow.endpoint].service_port == port
    )


def with_flow(proof: Proof, at: int, state: State) -> Proof:
    """Return a proof in which the flow at a position has another state."""
    intended, observed, judgement = state
    flow = replace(
        proof.flows[at],
        intended=Intent(intended),
        observed=Reach(observed),
        judgement=Judgement(judgement),
        reason="why",
    )
    return replace(proof, flows=[*proof.flows[:at], flow, *proof.flows[at + 1 :]])


def without_flow(proof: Proof, at: int) -> Proof:
    """Return a proof without the flow at a position."""
    return replace(proof, flows=[*proof.flows[:at], *proof.flows[at + 1 :]])


def difference(old: State | None, new: State | None, **options: Any) -> Diff:
    """Return the difference of two proofs in which the flow app -> db:3306 has these states.

    No canary of db stands for the flow where a proof does not have it.
    """
    known = base().flows[position(base(), "app", "db", 3306)]
    ends = base().endpoints
    flows = [flow for flow in base().flows if ends[flow.endpoint].service_port or ends[flow.endpoint].place != "db"]
    proof, at = replace(base(), flows=flows), flows.index(known)
    proofs = [with_flow(proof, at, state) if state else without_flow(proof, at) for state in (old, new)]
    return compare(*proofs, **options)


def only_change(diff: Diff) -> ChangePart:
    """Return the one change of a diff."""
    (change,) = diff.changes
    return change
