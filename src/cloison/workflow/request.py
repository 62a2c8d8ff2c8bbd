"""The request for a proof: the selection of a project, and how long to wait for replies.

Rule: this module imports nothing that is slow, because the command line reads its defaults from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloison.engine.compose_cli import Selection

DEFAULT_TIMEOUT: Final = 0.5
"""Seconds to wait for a reply before a probe counts as unanswered: half of it after each of two SYNs.

The kernel of the same machine answers within microseconds, without help of a process. While answers are still coming,
the prober waits longer.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """The project to prove, and the seconds to wait for replies."""

    selection: Selection
    timeout: float = DEFAULT_TIMEOUT
