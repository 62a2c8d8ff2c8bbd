"""Reads what shots and containers show: controls, evidence, and what changed meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from cloison.model import Container, Endpoint, Kind
from cloison.outcome import Outcome
from cloison.prober import Shot


@dataclass(frozen=True, slots=True)
class Controls:
    """What a vantage showed before its silences count; a text says why a control failed, empty is passed."""

    positive: str
    negative: str

    @property
    def failure(self) -> str:
        """Return why the vantage cannot be trusted, empty when it can."""
        return self.positive or self.negative


def controls_of(positive: Shot, negative: Shot) -> Controls:
    """Return what two shots show: a post's own canary, and an address that nobody holds."""
    seen = positive.outcome is Outcome.ACCEPTED and positive.target in positive.arrived
    return Controls(
        "" if seen else f"its own canary could not be reached ({positive.outcome}): probes from it prove nothing",
        f"{negative.address}, which nobody holds, answered: something answers for every address"
        if negative.outcome is Outcome.ACCEPTED
        else "",
    )


def difference(before: Container, now: Container | None) -> str:
    """Return what became of a container during the proof, empty when nothing did."""
    if now is None or (before.pid and not now.pid):
        return f"{before.name} stopped during the proof"
    if (before.pid, before.started) != (now.pid, now.started):
        return f"{before.name} restarted during the proof"
    if (before.attachments, before.publications) != (now.attachments, now.publications):
        return f"{before.name} changed its networks or ports during the proof"
    return ""


def evidence_of(end: Endpoint, shot: Shot) -> str:
    """Return what became of a probe, in words."""
    what = "the canary" if end.kind is Kind.CANARY else f"port {end.port}"
    at = f"SYN to {what} at {end.address}"
    others = sorted(post.name for post in shot.arrived if post is not shot.target)
    via = f", and was seen inside {', '.join(others)}" if others else ""
    words = {
        Outcome.ACCEPTED: "was accepted",
        Outcome.ARRIVED: f"was {shot.detail}",
        Outcome.REFUSED: "was refused on the way",
        Outcome.SILENT: f"was lost twice; nothing arrived in {end.container or end.place}",
        Outcome.UNREACHABLE: f"could not get there: {shot.detail}",
        Outcome.ERROR: f"could not be judged: {shot.detail}",
    }
    return f"{at} {words[shot.outcome]}{via}"
