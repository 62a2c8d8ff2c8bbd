"""Evaluates controls, describes probes as evidence, and compares containers before and after a proof.

Input: probes with outcomes, and container facts. Output: `Controls`, and sentences for the proof document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from cloison.linux.ruleset import Rule
from cloison.model.facts import Container
from cloison.model.flow import Endpoint, EndpointKind, Protocol
from cloison.model.outcome import Outcome
from cloison.probe.probe import Probe

MAX_NAMED: Final = 3
"""Chains in one sentence."""


@dataclass(frozen=True, slots=True)
class Controls:
    """The results of a vantage's controls; each is the reason of its failure, empty if it passed."""

    positive: str
    negative: str

    @property
    def failure(self) -> str:
        """Return why probes of the vantage are no evidence, empty if both controls passed."""
        return self.positive or self.negative


def controls_of(positives: Iterable[Probe], negatives: Iterable[Probe]) -> Controls:
    """Return the controls of a vantage: probes of its own canaries must arrive, probes of unused addresses must not."""
    missed = [probe for probe in positives if probe.target not in probe.arrived]
    answered = [probe for probe in negatives if probe.outcome is Outcome.ACCEPTED]
    return Controls(
        "".join(
            f"its own {probe.protocol} canary could not be reached at {probe.address} ({probe.outcome}), "
            "so probes from it prove nothing"
            for probe in missed[:1]
        ),
        "".join(
            f"the unused address {probe.address} answered, so something answers for every address"
            for probe in answered[:1]
        ),
    )


def change(before: Container, now: Container | None) -> str:
    """Return the sentence about a change of a container during the proof, empty if it did not change."""
    if now is None or (before.pid and not now.pid):
        return f"{before.name} stopped during the proof"
    if (before.pid, before.started) != (now.pid, now.started):
        return f"{before.name} restarted during the proof"
    if (before.attachments, before.published_ports) != (now.attachments, now.published_ports):
        return f"{before.name} changed its networks or ports during the proof"
    return ""


Rules = frozenset[Rule] | str
"""The rules of a namespace, or why they could not be read."""


def changed_rules(before: Rules, now: Rules, belongs: Callable[[str], bool | None] = lambda _: None) -> str:
    """Return the sentence about firewall rules that changed during the proof, empty if none did.

    `belongs` says whether an interface or address is the project's (True), of another network (False) or neither
    (None). The engine changes the rules of other networks at any time, so a rule that names only such does not count.
    """
    if isinstance(before, str) or isinstance(now, str):
        unread = before if isinstance(before, str) else now
        return f"the firewall rules could not be compared: {unread}"
    changed = before ^ now
    where = sorted({rule.where for rule in changed if _counts(rule, belongs)})
    return f"firewall rules changed during the proof ({'; '.join(where[:MAX_NAMED])})" if where else ""


def _counts(rule: Rule, belongs: Callable[[str], bool | None]) -> bool:
    owners = {belongs(name) for name in rule.names}
    return True in owners or False not in owners


PROBE_NAMES: Final = {Protocol.TCP: "SYN", Protocol.UDP: "datagram", Protocol.ICMP: "echo request"}


def evidence_of(end: Endpoint, probe: Probe) -> str:
    """Return the sentence about the result of a probe."""
    what = "the canary" if end.kind is EndpointKind.CANARY else f"port {end.port}"
    words = f"{PROBE_NAMES[probe.protocol]} to {what} at {end.address} {_description(end, probe)}"
    others = sorted(sockets.name for sockets in probe.arrived if sockets is not probe.target)
    return f"{words}, and arrived inside {', '.join(others)}" if others else words


def _description(end: Endpoint, probe: Probe) -> str:
    where = end.container or end.place
    if probe.protocol is Protocol.UDP and probe.outcome is Outcome.ARRIVED:
        return f"arrived in {where}"
    words = {
        Outcome.ACCEPTED: "was accepted",
        Outcome.ARRIVED: f"arrived inside {probe.target.name if probe.target else where}, "
        f"{probe.reply or 'no answer'} came back",
        Outcome.REFUSED: "was refused on the way",
        Outcome.SILENT: f"was lost twice; nothing arrived in {where}",
        Outcome.UNREACHABLE: f"could not be delivered: {probe.detail}",
        Outcome.ERROR: f"has no result: {probe.detail}",
    }
    return words[probe.outcome]
