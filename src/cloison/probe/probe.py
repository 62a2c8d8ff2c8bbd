"""A probe, what became of it, and what it comes to.

Rule: whatever was lost on the way may have been the arrival, so with a loss no silence is silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloison.model.facts import Protocol
from cloison.model.outcome import Outcome
from cloison.probe.sockets import Post

FINAL: Final = (Outcome.ACCEPTED, Outcome.REFUSED)


@dataclass(slots=True, eq=False)
class Shot:
    """One probe and what became of it. `target` is the post where it should end, None where we hold none."""

    post: Post
    address: str
    port: int
    target: Post | None = None
    protocol: Protocol = Protocol.TCP
    beside: Shot | None = None
    """Of a hint: the probe to the same address that makes it needless once it is answered."""
    at: str = ""
    """An own address of the post's on the link to use, for an address that is valid on one link alone."""
    network: str = ""
    """The network that the address is of: who sits on it, too, has its holder for a neighbour."""
    came_back: Outcome | None = None
    """What the sender got."""
    detail: str = ""
    arrived: tuple[Post, ...] = ()
    """The posts inside which the probe was seen."""
    outcome: Outcome = Outcome.ERROR
    """What it comes to, once it was fired."""

    @property
    def is_over(self) -> bool:
        """Whether another try could tell nothing more: somebody answered, or it is seen where it ends.

        "Unreachable" is no answer: the kernel says so, too, when it has no room for another neighbour.
        """
        return self.came_back in FINAL or (self.protocol is Protocol.UDP and self.target in self.arrived)

    @property
    def is_a_hint(self) -> bool:
        """Whether nothing is judged by it, so that it is sent but once, and only where it tells something new."""
        return self.protocol is Protocol.ICMP

    @property
    def is_needed(self) -> bool:
        """Whether a further try may tell something."""
        return not self.is_over and not (self.is_a_hint and self.beside and self.beside.is_over)


def reason(own: int, untracked: int, crowded: int) -> str:
    """Return why a silence tells nothing, empty when nothing was lost.

    Packets are lost in a shot's own sockets, by connection tracking, or for want of a neighbour.
    """
    if own:
        return f"{own} packets were lost before they could be read"
    if untracked:
        return f"a full connection tracking table dropped {untracked} packets"
    if crowded:
        return f"the machine knows too many neighbours and dropped {crowded} packets (see gc_thresh3 in arp(7))"
    return ""


def _is_owed_an_answer(shot: Shot) -> bool:
    """Whether an answer should have come and none did: with a loss, it may be the answer that was lost."""
    return shot.protocol is Protocol.TCP and shot.came_back is None


def settle(shot: Shot, loss: str) -> None:
    """Say what it comes to: an acceptance, else an arrival, else what came back, else silence."""
    if shot.came_back is Outcome.ACCEPTED:
        shot.outcome = Outcome.ACCEPTED
    elif shot.target and shot.target in shot.arrived and not (loss and _is_owed_an_answer(shot)):
        shot.outcome = Outcome.ARRIVED
    elif loss:
        # What was lost may have been the arrival: even a refusal says nothing now.
        shot.outcome, shot.detail = Outcome.ERROR, loss
    else:
        shot.outcome = shot.came_back or Outcome.SILENT
