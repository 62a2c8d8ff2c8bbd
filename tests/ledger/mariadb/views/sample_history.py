"""A project's life: proofs of the same three services, hour after hour, in which doors open and close."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from tests.unit.cloison_view.sample_documents import document

HOUR: Final = timedelta(hours=1)
HISTORY: Final = (
    *["tolerated"] * 20,
    "breach",
    *["tolerated"] * 6,
    "unknown",
    "tolerated",
    "tolerated",
    "udp",
    "breach",
)
"""Scenes of tests/reports, oldest first: proven for long, then not."""


def proof(scene: str, started: datetime) -> bytes:
    """Return a scene's proof as if it had been made at another time."""
    made = {**document(scene), "started": f"{started:%Y-%m-%dT%H:%M:%S}.{started.microsecond // 1000:03d}Z"}
    return msgspec.json.encode(made, order="sorted")


def history(scenes: Iterable[str] = HISTORY, until: datetime | None = None) -> Iterator[bytes]:
    """Yield a proof an hour, the last of them an hour ago."""
    ordered = tuple(scenes)
    start = (until or datetime.now(UTC)) - len(ordered) * HOUR
    yield from (proof(scene, start + number * HOUR) for number, scene in enumerate(ordered))


def digest(body: bytes) -> str:
    """Return a proof's name."""
    return hashlib.sha256(body).hexdigest()
