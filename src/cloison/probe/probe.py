"""A probe and its result: reply, arrivals, outcome.

Input: the losses that the kernel counted during the probes. Output: the `Outcome` of a probe.
Rule: a lost packet may have been the probe's arrival or its answer, so with a loss the outcome of an unanswered probe
is ERROR, never SILENT.
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
    """A probe and its result. `target` are the probe sockets of its destination, None if there are none."""

    sockets: ProbeSockets
    address: str
    port: int
    target: ProbeSockets | None = None
    protocol: Protocol = Protocol.TCP
    tcp_probe: Probe | None = None
    """For an echo request: the TCP probe to the same address; once it has an answer, no echo request is sent."""
    local_address: str = ""
    """For a link-local destination: the sender's own address on the interface to use."""
    network: str = ""
    """The network of the destination address; containers on this network have the destination as a neighbor."""
    reply: Outcome | None = None
    """The answer that the sender received."""
    detail: str = ""
    arrived: tuple[ProbeSockets, ...] = ()
    """The probe sockets that received the probe, one a namespace."""
    source: bytes = b""
    """The IPv4 source address with which it arrived at its target, empty if that is not known."""
    outcome: Outcome = Outcome.ERROR
    """The outcome; it is set after the probe was sent."""

    @property
    def is_final(self) -> bool:
        """Whether another try cannot change the outcome: an answer came, or the datagram arrived at its target.

        "Unreachable" is not final: the kernel reports it for a full neighbor table too.
        """
        return self.reply in FINAL_OUTCOMES or (self.protocol is Protocol.UDP and self.target in self.arrived)

    @property
    def is_supplementary(self) -> bool:
        """Whether no judgement depends on the probe, so that it is sent once at most."""
        return self.protocol is Protocol.ICMP

    @property
    def needs_retry(self) -> bool:
        """Whether another try may change the outcome."""
        return not self.is_final and not (self.is_supplementary and self.tcp_probe and self.tcp_probe.is_final)


def loss_reason(socket_drops: int, conntrack_drops: int, neighbor_drops: int) -> str:
    """Return why a missing answer is no evidence, empty if no packet was lost.

    Arguments are packets dropped by the probe sockets' receive buffers, by connection tracking, and by neighbor tables.
    """
    if socket_drops:
        return f"{socket_drops} packets were lost before they could be read"
    if conntrack_drops:
        return f"a full connection tracking table dropped {conntrack_drops} packets"
    if neighbor_drops:
        return f"a full neighbor table dropped {neighbor_drops} packets (see gc_thresh3 in arp(7))"
    return ""


def _lacks_reply(probe: Probe) -> bool:
    """Whether TCP should have answered and no answer came; with a loss, the answer may be the lost packet."""
    return probe.protocol is Protocol.TCP and probe.reply is None


def set_outcome(probe: Probe, loss: str) -> None:
    """Set the outcome of a probe: accepted, else arrived, else the reply, else silent; error if `loss` is not empty."""
    if probe.reply is Outcome.ACCEPTED:
        probe.outcome = Outcome.ACCEPTED
    elif probe.target and probe.target in probe.arrived and not (loss and _lacks_reply(probe)):
        probe.outcome = Outcome.ARRIVED
    elif loss:
        # The lost packet may have been the arrival, so a refusal is no evidence either.
        probe.outcome, probe.detail = Outcome.ERROR, loss
    else:
        probe.outcome = probe.reply or Outcome.SILENT
