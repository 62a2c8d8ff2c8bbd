"""What a caller asks of a proof: which project, and how long to wait for replies.

Rule: nothing is imported here that costs time, for the command line reads its defaults from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloison.engine.compose_cli import Selection

DEFAULT_TIMEOUT: Final = 0.5
"""Seconds to wait for silence: two SYNs, half of it after each.

On one machine the kernel answers within microseconds, whatever the processes do; while answers
still trickle in, the prober waits longer by itself.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """Which project to prove, and how patiently."""

    selection: Selection
    timeout: float = DEFAULT_TIMEOUT
