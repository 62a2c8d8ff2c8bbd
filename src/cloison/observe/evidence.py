"""Reads what shots and containers show: controls, evidence, and what changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cloison.model.facts import Container, Endpoint, Kind, Protocol
from cloison.model.outcome import Outcome
from cloison.probe.probe import Shot


@dataclass(frozen=True, slots=True)
class Controls:
    """What a vantage showed before its silences count; a text says why a control failed, empty is passed."""

    positive: str
    negative: str

    @property
    def failure(self) -> str:
        """Return why the vantage cannot be trusted, empty when it can."""
        return self.positive or self.negative


def controls_of(positives: Iterable[Shot], negatives: Iterable[Shot]) -> Controls:
    """Return what the shots of a post show: at its own canaries, and at addresses that nobody holds."""
    missed = [shot for shot in positives if shot.target not in shot.arrived]
    answered = [shot for shot in negatives if shot.outcome is Outcome.ACCEPTED]
    return Controls(
        "".join(
            f"its own {shot.protocol} canary could not be reached at {shot.address} ({shot.outcome}): "
            "probes from it prove nothing"
            for shot in missed[:1]
        ),
        "".join(
            f"{shot.address}, which nobody holds, answered: something answers for every address"
            for shot in answered[:1]
        ),
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


PROBE: Final = {Protocol.TCP: "SYN", Protocol.UDP: "datagram", Protocol.ICMP: "echo request"}


def evidence_of(end: Endpoint, shot: Shot) -> str:
    """Return what became of a probe, in words."""
    what = "the canary" if end.kind is Kind.CANARY else f"port {end.port}"
    words = f"{PROBE[shot.protocol]} to {what} at {end.address} {_became(end, shot)}"
    others = sorted(post.name for post in shot.arrived if post is not shot.target)
    return f"{words}, and was seen inside {', '.join(others)}" if others else words


def _became(end: Endpoint, shot: Shot) -> str:
    where = end.container or end.place
    if shot.protocol is Protocol.UDP and shot.outcome is Outcome.ARRIVED:
        return f"arrived in {where}"
    words = {
        Outcome.ACCEPTED: "was accepted",
        Outcome.ARRIVED: f"was seen inside {shot.target.name if shot.target else where}, "
        f"{shot.came_back or 'no answer'} came back",
        Outcome.REFUSED: "was refused on the way",
        Outcome.SILENT: f"was lost twice; nothing arrived in {where}",
        Outcome.UNREACHABLE: f"could not get there: {shot.detail}",
        Outcome.ERROR: f"could not be judged: {shot.detail}",
    }
    return words[shot.outcome]
