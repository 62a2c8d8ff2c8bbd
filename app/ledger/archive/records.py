"""The values that the archive returns. Times are UTC without a zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ProofRecord:
    """One proof in a list. Times are UTC without a zone."""

    digest: str
    word: str
    exit_code: int
    started: datetime
    """The earlier of the document's start and its arrival."""
    received: datetime
    duration_ms: int
    tool: str
    engine: str
    machine: str
    compose_project: str
    """The name that the document gives to its project; empty for a proof that an older version stored."""
    totals: Mapping[str, int]
    repeats: bool
    """Whether its verdict and connections are those of the previous proof."""
    changes: int
    """The number of connections that differ from the previous proof; all connections for the first proof."""


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """One project in a list."""

    name: str
    badge_key: str
    proofs: int
    last: ProofRecord | None
    changed: ProofRecord | None
    """The last proof that differs from the previous one."""
    trend: tuple[str, ...]
    """The verdicts of the last proofs, oldest first."""


@dataclass(frozen=True, slots=True)
class ProofPage:
    """A page of a list, newest first; `next` is the cursor of the next page, or None."""

    records: tuple[ProofRecord, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Interval:
    """The time in which a connection had one state; `until` is None while it lasts."""

    source: str
    target: str
    protocol: str
    port: int
    intended: str
    predicted: str
    observed: str
    judgement: str
    drift: bool
    since: datetime
    since_digest: str | None
    """The proof with which it began; None when that proof was deleted (retention)."""
    until: datetime | None
    until_digest: str | None


@dataclass(frozen=True, slots=True)
class StoredProof:
    """The result of storing a proof; `is_new` is False when the ledger had it already."""

    digest: str
    is_new: bool
