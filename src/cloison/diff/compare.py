"""Compares two proofs or two plans, flow by flow.

Input: two documents of one kind. Output: a `Diff`.
Rules: a flow is worse if it is now a breach, broken or unknown and was not that before; so a tolerated flow that
becomes a breach is worse, and one that becomes tolerated is not, but with `strict`. A port that only one document has
is compared with any other port of the same path in the other one. What the new document no longer covers is worse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, get_args

from cloison.diff.alike import expansion
from cloison.diff.flow_states import FlowKey, FlowState, cuts, flow_states, is_worse
from cloison.diff.schema import WORSE, ChangeKind, ChangePart, ComparedPart, Diff, GapPart, StatePart
from cloison.model.outcome import Reach
from cloison.plan.schema import Plan
from cloison.proof.schema import Proof, digest
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Judgement
from cloison_view.labels import display_name, natural_key
from cloison_view.records import read_records
from cloison_view.verdict import COMPLETED

Document = Proof | Plan
KIND_ORDER: Final[tuple[ChangeKind, ...]] = get_args(ChangeKind)
UNKNOWN: Final = "unknown"
WRONG: Final = frozenset({"breach", "broken"})
NAMED: Final[dict[str, ChangeKind]] = {"breach": "breach", "broken": "broken", "tolerated": "tolerated"}
"""The judgements that a change is named after."""
NONE: Final = FlowState("", "shut", "", "")
"""A flow that is not there reaches nothing."""
NO_FLOW: Final = ("flows", "no flow was judged")


def compare(old: Document, new: Document, *, strict: bool = False) -> Diff:
    """Return the differences from one document to a later one; with `strict` a flow that became tolerated is worse.

    Raises UsageError when two plans are too large to compare: see `diff.alike`.
    """
    cut, (expand_old, expand_new) = cuts(old, new), expansion(old, new)
    before = flow_states(old, read_records(old), cut, expand_old)
    after = flow_states(new, read_records(new), cut, expand_new)
    worse = (*WORSE, Judgement.TOLERATED) if strict else WORSE
    changes = sorted(_changes(before, after, worse), key=_order)
    gaps = [GapPart(*gap) for gap in _gaps(new) if gap not in set(_gaps(old))]
    is_policy_removed = old.policy is not None and new.policy is None
    totals = Counter(kind for change in changes for kind in change.kinds)
    return Diff(
        schema_version="1",
        kind="plan" if isinstance(new, Plan) else "proof",
        old=_compared(old),
        new=_compared(new),
        worse=bool(gaps) or is_policy_removed or any(change.worse for change in changes),
        strict=strict,
        policy_removed=is_policy_removed,
        gaps=gaps,
        changes=changes,
        totals={kind: totals[kind] for kind in KIND_ORDER if totals[kind]},
    )


def _compared(document: Document) -> ComparedPart:
    return ComparedPart(document.project.name, digest(document), document.verdict.word)


def _gaps(document: Document) -> Iterator[tuple[str, str]]:
    """Yield what a document does not cover."""
    for name in getattr(document.coverage, "absent", ()):
        yield display_name(name), "a container is missing"
    for part in document.coverage.skipped:
        if part.why != COMPLETED:
            yield part.what, part.why
    if not document.flows:
        yield NO_FLOW


def _changes(
    before: dict[FlowKey, FlowState], after: dict[FlowKey, FlowState], worse: tuple[Judgement, ...]
) -> Iterator[ChangePart]:
    for key in before.keys() | after.keys():
        old = before.get(key) or before.get(key.any_other_port)
        new = after.get(key) or after.get(key.any_other_port)
        if old and new and old.compared == new.compared:
            continue
        kinds = set(_kinds(old, new))
        kinds |= {"appeared"} if key not in before else {"disappeared"} if key not in after else set()
        yield ChangePart(
            source=key.source,
            target=key.target,
            protocol=key.protocol,
            port=key.port,
            last_port=key.last_port,
            network=key.network,
            ip=key.ip,
            kinds=[kind for kind in KIND_ORDER if kind in kinds] or ["intention"],
            worse=is_worse(old, new, worse),
            old=_state(old),
            new=_state(new),
            reason=(new or old or NONE).reason,
        )


def _kinds(old: FlowState | None, new: FlowState | None) -> Iterator[ChangeKind]:
    """Yield the kinds of a change, without those of a flow that only one document has."""
    was, now = old or NONE, new or NONE
    if was.judgement != now.judgement and now.judgement in NAMED:
        yield NAMED[now.judgement]
    if was.judgement in WRONG and now.judgement not in {*WORSE, Judgement.TOLERATED}:
        yield "resolved"
    was_known, is_known = (UNKNOWN not in state.compared for state in (was, now))
    if was_known and is_known and was.reach != now.reach:
        yield "opened" if now.reach == "open" else "closed"
    elif old and was_known != is_known:
        yield "known" if is_known else "lost"


def _state(state: FlowState | None) -> StatePart | None:
    return StatePart(Intent(state.intended), Reach(state.reach), Judgement(state.judgement)) if state else None


def _order(change: ChangePart) -> tuple[object, ...]:
    """Return a key that sorts the worse changes first, then by kind and name."""
    kind = KIND_ORDER.index(change.kinds[0])
    names = (natural_key(change.source), natural_key(change.target))
    return not change.worse, kind, *names, change.port, change.last_port, change.protocol, change.network, change.ip
