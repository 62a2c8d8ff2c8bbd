"""The outcome of a probe as the kernel reports it, and the table that gives its meaning.

Input: an outcome, and whether the endpoint's namespace was watched. Output: an `Observation`.
Rule: every outcome is a row of `REACH`; no other module interprets a silence.

A refusal or a silence means closed only when an arrival would have been seen, because the endpoint's
namespace was watched in the same run: a closed port and REJECT give the same answer, and so do a slow
server and DROP. Without a watched namespace the reach is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """The kernel's answer to a probe."""

    ACCEPTED = "accepted"
    """A SYN-ACK answered the SYN."""
    ARRIVED = "arrived"
    """The packet was captured in the endpoint's namespace, but no SYN-ACK came back."""
    REFUSED = "refused"
    """An RST came back."""
    SILENT = "silent"
    """Two probes got no answer."""
    UNREACHABLE = "unreachable"
    """ICMP destination unreachable, no route, or a firewall rule of the sender."""
    ERROR = "error"
    """The probe could not be sent."""


class Reach(StrEnum):
    """The meaning of an outcome; a probe that proves nothing is unknown."""

    OPEN = "open"
    SHUT = "shut"
    UNKNOWN = "unknown"


REACH: Final[dict[tuple[Outcome, bool], Reach]] = {
    (Outcome.ACCEPTED, True): Reach.OPEN,
    (Outcome.ACCEPTED, False): Reach.OPEN,  # an answer came back, whoever sent it
    (Outcome.ARRIVED, True): Reach.OPEN,  # one direction is enough for a datagram
    (Outcome.ARRIVED, False): Reach.UNKNOWN,  # impossible: only a watched namespace shows arrivals
    (Outcome.REFUSED, True): Reach.SHUT,  # it did not arrive, so a hop before the endpoint refused it
    (Outcome.REFUSED, False): Reach.UNKNOWN,  # a closed port looks the same
    (Outcome.SILENT, True): Reach.SHUT,
    (Outcome.SILENT, False): Reach.UNKNOWN,  # a full backlog looks the same
    (Outcome.UNREACHABLE, True): Reach.SHUT,
    (Outcome.UNREACHABLE, False): Reach.UNKNOWN,
    (Outcome.ERROR, True): Reach.UNKNOWN,
    (Outcome.ERROR, False): Reach.UNKNOWN,
}
"""(outcome, whether the endpoint's namespace was watched) → reach."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The observed outcome of one flow, with the evidence as a sentence."""

    outcome: Outcome
    reach: Reach
    evidence: str


def observation(outcome: Outcome, *, watched: bool, evidence: str) -> Observation:
    """Return the observation of an outcome, with its meaning from `REACH`."""
    return Observation(outcome, REACH.get((outcome, watched), Reach.UNKNOWN), evidence)


def unknown(why: str) -> Observation:
    """Return the observation of a flow that could not be probed."""
    return Observation(Outcome.ERROR, Reach.UNKNOWN, why)
