"""A probe, what became of it, and what it comes to.

Rule: whatever was lost on the way may have been the arrival, so with a loss no silence is silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloison.model.flow import Protocol
from cloison.model.outcome import Outcome
from cloison.probe.sockets import ProbeSockets

FINAL_OUTCOMES: Final = (Outcome.ACCEPTED, Outcome.REFUSED)


@dataclass(slots=True, eq=False)
class Probe:
    """One probe and what became of it. `target` is the post where it should end, None where we hold none."""

    sockets: ProbeSockets
    address: str
    port: int
    target: ProbeSockets | None = None
    protocol: Protocol = Protocol.TCP
    tcp_probe: Probe | None = None
    """Of a hint: the probe to the same address that makes it needless once it is answered."""
    local_address: str = ""
    """An own address of the post's on the link to use, for an address that is valid on one link alone."""
    network: str = ""
    """The network that the address is of: who sits on it, too, has its holder for a neighbour."""
    reply: Outcome | None = None
    """What the sender got."""
    detail: str = ""
    arrived: tuple[ProbeSockets, ...] = ()
    """The posts inside which the probe was seen."""
    outcome: Outcome = Outcome.ERROR
    """What it comes to, once it was fired."""

    @property
    def is_final(self) -> bool:
        """Whether another try could tell nothing more: somebody answered, or it is seen where it ends.

        "Unreachable" is no answer: the kernel says so, too, when it has no room for another neighbour.
        """
        return self.reply in FINAL_OUTCOMES or (self.protocol is Protocol.UDP and self.target in self.arrived)

    @property
    def is_supplementary(self) -> bool:
        """Whether nothing is judged by it, so that it is sent but once, and only where it tells something new."""
        return self.protocol is Protocol.ICMP

    @property
    def needs_retry(self) -> bool:
        """Whether a further try may tell something."""
        return not self.is_final and not (self.is_supplementary and self.tcp_probe and self.tcp_probe.is_final)


def loss_reason(socket_drops: int, conntrack_drops: int, neighbor_drops: int) -> str:
    """Return why a silence tells nothing, empty when nothing was lost.

    Packets are lost in a shot's own sockets, by connection tracking, or for want of a neighbour.
    """
    if socket_drops:
        return f"{socket_drops} packets were lost before they could be read"
    if conntrack_drops:
        return f"a full connection tracking table dropped {conntrack_drops} packets"
    if neighbor_drops:
        return f"the machine knows too many neighbours and dropped {neighbor_drops} packets (see gc_thresh3 in arp(7))"
    return ""


def _lacks_reply(probe: Probe) -> bool:
    """Whether an answer should have come and none did: with a loss, it may be the answer that was lost."""
    return probe.protocol is Protocol.TCP and probe.reply is None


def set_outcome(probe: Probe, loss: str) -> None:
    """Say what it comes to: an acceptance, else an arrival, else what came back, else silence."""
    if probe.reply is Outcome.ACCEPTED:
        probe.outcome = Outcome.ACCEPTED
    elif probe.target and probe.target in probe.arrived and not (loss and _lacks_reply(probe)):
        probe.outcome = Outcome.ARRIVED
    elif loss:
        # What was lost may have been the arrival: even a refusal says nothing now.
        probe.outcome, probe.detail = Outcome.ERROR, loss
    else:
        probe.outcome = probe.reply or Outcome.SILENT
