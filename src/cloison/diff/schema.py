"""The diff document: the flows that differ between two proofs or two plans.

Input: the parts that `diff.compare` creates. Output: frozen structs and their JSON Schema.
Rule: a diff has no time and no address: two documents always give the same bytes (RFC 8785).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from cloison.model.outcome import Reach
from cloison.proof.schema import Part, SafeInteger, schema_of
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Judgement

ChangeKind = Literal[
    "breach",
    "broken",
    "lost",
    "opened",
    "tolerated",
    "closed",
    "resolved",
    "known",
    "appeared",
    "disappeared",
    "intention",
]
WORSE: Final = (Judgement.BREACH, Judgement.BROKEN, Judgement.UNKNOWN)
"""A flow is worse if it has one of these judgements now, and had another one or was not there."""


class ComparedPart(Part, frozen=True):
    """One of the two documents: its project, the SHA-256 of its bytes, and its verdict."""

    project: str
    digest: str
    verdict: str


class StatePart(Part, frozen=True):
    """A flow in one document; `reach` is what a proof observed or a plan predicts."""

    intended: Intent
    reach: Reach
    judgement: Judgement


class ChangePart(Part, frozen=True):
    """A flow that differs; `old` or `new` is null where the document has no such flow.

    `port` 0 is any port without a flow of its own. `network` is the key of the network in the file, or its name where
    the file does not have it, and empty for an address of no network. `ip` is the version of IP, 0 without an address.
    """

    source: str
    target: str
    protocol: str
    port: SafeInteger
    network: str
    ip: SafeInteger
    kinds: list[ChangeKind]
    worse: bool
    old: StatePart | None
    new: StatePart | None
    reason: str
    last_port: SafeInteger = 0


class GapPart(Part, frozen=True):
    """A part of the project that the new document does not cover and the old one does, and the reason."""

    what: str
    why: str


class Diff(Part, frozen=True):
    """The diff document; `worse` is whether any change or gap is worse, or the policy was removed."""

    schema_version: Literal["1"]
    kind: Literal["proof", "plan"]
    old: ComparedPart
    new: ComparedPart
    worse: bool
    strict: bool
    policy_removed: bool
    gaps: list[GapPart]
    changes: list[ChangePart]
    totals: dict[str, SafeInteger] = msgspec.field(default_factory=dict)
    """How many changes have each kind; a change can have several."""


def schema() -> dict[str, object]:
    """Return the JSON Schema of the diff document."""
    return schema_of(Diff, "Cloison diff")
