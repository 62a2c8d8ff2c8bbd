"""Compares two ways to a proof of the same project."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from cloison.proof.schema import Proof, canonical

OF_THE_MOMENT = ("started", "duration_ms")
TRIES = 3
SEGMENT = re.compile(rb"198\.51\.100\.(\d+)")


def same_proof(one: Callable[[], Proof], other: Callable[[], Proof]) -> Proof:
    """Return the first proof of `one`, after both ways have given the same document.

    A difference counts when it comes again: whoever makes a network on this engine opens walls for some milliseconds,
    and the kernel limits how often it refuses a packet in words.
    """
    first = found = one()
    for _ in range(TRIES - 1):
        if lasting(found) == lasting(other()):
            return first
        found = one()
    assert lasting(found) == lasting(other())
    return first


def lasting(proof: Proof) -> dict[str, Any]:
    """Return all of a proof but when it was made, how long that took, and which segment was free."""
    text = SEGMENT.sub(lambda found: b"segment.%d" % (int(found[1]) % 8), canonical(proof))
    document: dict[str, Any] = json.loads(text)
    return {key: value for key, value in document.items() if key not in OF_THE_MOMENT}
