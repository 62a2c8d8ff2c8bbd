"""What the kernel said, and what it means.

Rule: every outcome is a row of `REACH`; no other module decides what a silence means.

A refusal or a silence says "shut" only where an arrival would have been seen, because the
endpoint's own namespace was watched in the same run: a closed port and a firewall's REJECT give the
same answer, and so do a slow server and a DROP. Where nobody watched, the honest word is "unknown".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What came back, or did not."""

    ACCEPTED = "accepted"
    """A SYN was answered by SYN and ACK."""
    ARRIVED = "arrived"
    """The packet was seen inside the endpoint's own namespace, but no acceptance came back."""
    REFUSED = "refused"
    """RST."""
    SILENT = "silent"
    """Nothing, twice."""
    UNREACHABLE = "unreachable"
    """ICMP destination unreachable, no route, or the sender's own firewall."""
    ERROR = "error"
    """It could not be asked."""


class Reach(StrEnum):
    """What an outcome means. Never two values where a third is possible."""

    OPEN = "open"
    SHUT = "shut"
    UNKNOWN = "unknown"


REACH: Final[dict[tuple[Outcome, bool], Reach]] = {
    (Outcome.ACCEPTED, True): Reach.OPEN,
    (Outcome.ACCEPTED, False): Reach.OPEN,  # somebody answered: whoever it is, there is a way
    (Outcome.ARRIVED, True): Reach.OPEN,  # one way is a way: a datagram or a forged answer needs no more
    (Outcome.ARRIVED, False): Reach.UNKNOWN,  # it cannot be: arrivals are only seen by watching
    (Outcome.REFUSED, True): Reach.SHUT,  # it did not arrive, so somebody on the way refused
    (Outcome.REFUSED, False): Reach.UNKNOWN,  # a closed port looks the same
    (Outcome.SILENT, True): Reach.SHUT,
    (Outcome.SILENT, False): Reach.UNKNOWN,  # a full backlog looks the same
    (Outcome.UNREACHABLE, True): Reach.SHUT,
    (Outcome.UNREACHABLE, False): Reach.UNKNOWN,
    (Outcome.ERROR, True): Reach.UNKNOWN,
    (Outcome.ERROR, False): Reach.UNKNOWN,
}
"""(outcome, was the endpoint's namespace watched?) → what it means for the wall."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one flow, with the evidence in words."""

    outcome: Outcome
    reach: Reach
    evidence: str


def observation(outcome: Outcome, *, watched: bool, evidence: str) -> Observation:
    """Read the table."""
    return Observation(outcome, REACH.get((outcome, watched), Reach.UNKNOWN), evidence)


def unknown(why: str) -> Observation:
    """Return the observation of a flow that could not be looked at."""
    return Observation(Outcome.ERROR, Reach.UNKNOWN, why)
