"""What the archive answers with."""

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
    received: datetime
    duration_ms: int
    tool: str
    engine: str
    machine: str
    totals: Mapping[str, int]
    repeats: bool
    """Says the same as the one before it."""
    changes: int
    """How many connections are not what they were in the one before; all of them in the first."""


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """One project in a list."""

    name: str
    badge_key: str
    proofs: int
    last: ProofRecord | None
    changed: ProofRecord | None
    """The last proof that does not repeat the one before it."""
    trend: tuple[str, ...]
    """The words of the last proofs, oldest first."""


@dataclass(frozen=True, slots=True)
class ProofPage:
    """A part of a list, newest first; `next` asks for what follows, None when nothing does."""

    records: tuple[ProofRecord, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Interval:
    """The time in which a connection kept one state; `until` is None while it lasts."""

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
    """The proof that began it; None when that one has been thinned out."""
    until: datetime | None
    until_digest: str | None


@dataclass(frozen=True, slots=True)
class StoredProof:
    """What became of a proof that was sent; not new when the ledger had it."""

    digest: str
    is_new: bool
