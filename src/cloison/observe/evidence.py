"""Reads what shots and containers show: controls, evidence, and what changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cloison.model.facts import Container
from cloison.model.flow import Endpoint, EndpointKind, Protocol
from cloison.model.outcome import Outcome
from cloison.probe.probe import Probe


@dataclass(frozen=True, slots=True)
class Controls:
    """What a vantage showed before its silences count; a text says why a control failed, empty is passed."""

    positive: str
    negative: str

    @property
    def failure(self) -> str:
        """Return why the vantage cannot be trusted, empty when it can."""
        return self.positive or self.negative


def controls_of(positives: Iterable[Probe], negatives: Iterable[Probe]) -> Controls:
    """Return what the shots of a post show: at its own canaries, and at addresses that nobody holds."""
    missed = [probe for probe in positives if probe.target not in probe.arrived]
    answered = [probe for probe in negatives if probe.outcome is Outcome.ACCEPTED]
    return Controls(
        "".join(
            f"its own {probe.protocol} canary could not be reached at {probe.address} ({probe.outcome}): "
            "probes from it prove nothing"
            for probe in missed[:1]
        ),
        "".join(
            f"{probe.address}, which nobody holds, answered: something answers for every address"
            for probe in answered[:1]
        ),
    )


def change(before: Container, now: Container | None) -> str:
    """Return what became of a container during the proof, empty when nothing did."""
    if now is None or (before.pid and not now.pid):
        return f"{before.name} stopped during the proof"
    if (before.pid, before.started) != (now.pid, now.started):
        return f"{before.name} restarted during the proof"
    if (before.attachments, before.published_ports) != (now.attachments, now.published_ports):
        return f"{before.name} changed its networks or ports during the proof"
    return ""


PROBE_NAMES: Final = {Protocol.TCP: "SYN", Protocol.UDP: "datagram", Protocol.ICMP: "echo request"}


def evidence_of(end: Endpoint, probe: Probe) -> str:
    """Return what became of a probe, in words."""
    what = "the canary" if end.kind is EndpointKind.CANARY else f"port {end.port}"
    words = f"{PROBE_NAMES[probe.protocol]} to {what} at {end.address} {_description(end, probe)}"
    others = sorted(sockets.name for sockets in probe.arrived if sockets is not probe.target)
    return f"{words}, and was seen inside {', '.join(others)}" if others else words


def _description(end: Endpoint, probe: Probe) -> str:
    where = end.container or end.place
    if probe.protocol is Protocol.UDP and probe.outcome is Outcome.ARRIVED:
        return f"arrived in {where}"
    words = {
        Outcome.ACCEPTED: "was accepted",
        Outcome.ARRIVED: f"was seen inside {probe.target.name if probe.target else where}, "
        f"{probe.reply or 'no answer'} came back",
        Outcome.REFUSED: "was refused on the way",
        Outcome.SILENT: f"was lost twice; nothing arrived in {where}",
        Outcome.UNREACHABLE: f"could not get there: {probe.detail}",
        Outcome.ERROR: f"could not be judged: {probe.detail}",
    }
    return words[probe.outcome]
