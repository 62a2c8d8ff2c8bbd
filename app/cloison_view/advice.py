"""Chooses a remedy for a flow: a change that was tried, or the place where the running project differs from its file.

Input: a proof and the position of a flow. Output: `Advice`: a sentence, and commands to copy.
Rule: each table is read from top to bottom, and the first row whose condition is true decides. Conditions read the
members of the document, never its prose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cloison_view.action_items import TOLERATED as TOLERATED_FLOW
from cloison_view.action_items import Advice, Advise
from cloison_view.attachments import Attachments, ResolvedFlow, member, over_ipv6, part, read_attachments, resolve
from cloison_view.breach_advice import (
    BREACH_ADVICE,
    FIREWALL,
    FIREWALL_V6,
    PLAN,
    TRY_CHANGES,
    AdviceRule,
    advise,
    always,
    explain_device,
    is_device,
)
from cloison_view.connections import SHUT, UNKNOWN
from cloison_view.labels import HOST, OUTSIDE

ARRIVED: Final = "arrived"
"""The outcome of a probe whose packets arrived and got no answer."""
RECREATE: Final = "docker compose up -d --force-recreate {}"


def proof_advice(proof: Any) -> Advise:
    """Return a function that returns what to do about the flow at a position of a proof."""
    attachments, tried = read_attachments(proof), tried_advice(proof)
    return lambda position: tried.get(position) or advice(attachments, resolve(proof, position))


def tried_advice(document: Any) -> dict[int, Advice]:
    """Return the advice that the document has about its flows, by their positions: changes that were tried."""
    flows = member(document, "flows")
    return {
        position: Advice(found.sentence, policy=part(flows[position]).judgement == "breach")
        for found in map(part, member(document, "advice"))
        for position in found.flows
    }


def advice(attachments: Attachments, item: ResolvedFlow) -> Advice:
    """Return what to do about a flow."""
    return next(build(attachments, item) for matches, build in _rows(item) if matches(attachments, item))


def _rows(item: ResolvedFlow) -> Sequence[AdviceRule]:
    flow = item.flow
    if flow.judgement == "breach":
        return BREACH_ADVICE[flow.cause]
    if flow.judgement == "broken":
        return SHUT_BY_FILE if flow.predicted == SHUT else SHUT_BY_DRIFT
    return TOLERATED if flow.judgement == TOLERATED_FLOW else NOT_KNOWN


SHUT_BY_FILE: Final[Sequence[AdviceRule]] = (
    (always, advise(TRY_CHANGES + ", or remove {line} from the policy", PLAN)),
)


def _no_address(_attachments: Attachments, item: ResolvedFlow) -> bool:
    return not item.target.address


def _arrived(_attachments: Attachments, item: ResolvedFlow) -> bool:
    return bool(item.flow.outcome == ARRIVED)


def _has_source_lost_network(attachments: Attachments, item: ResolvedFlow) -> bool:
    attached = attachments.attached.get(item.source.container, frozenset())
    return attachments.is_declared(item.source.place, item.target.network) and item.target.network not in attached


DROPPED: Final = "the packets are dropped on the way: look for a change of the host's firewall"
SHUT_BY_DRIFT: Final[Sequence[AdviceRule]] = (
    (_no_address, advise("{target} is not attached to {network} any more: recreate it", RECREATE.format("{target}"))),
    (
        _arrived,
        advise(
            "the packets arrive, but no process answers: check that {target} is healthy and listens there",
            "docker compose ps {target}",
            "docker compose logs --tail 50 {target}",
        ),
    ),
    (
        _has_source_lost_network,
        advise("{source} is not attached to {network} any more: recreate it", RECREATE.format("{source}")),
    ),
    (over_ipv6, advise(DROPPED, *FIREWALL_V6)),
    (always, advise(DROPPED, *FIREWALL)),
)

TOLERATED: Final[Sequence[AdviceRule]] = (
    (
        always,
        advise("with --strict the flows that {line} tolerates are breaches: close them, or list them under `allow`"),
    ),
)


def _missing_place(item: ResolvedFlow) -> str:
    """Return the end of a flow that has no running container, empty when both have."""
    ends = (item.source, item.target)
    return next((end.place for end in ends if not end.container and end.place not in (HOST, OUTSIDE)), "")


def _start_service(_attachments: Attachments, item: ResolvedFlow) -> Advice:
    name = _missing_place(item)
    return Advice(f"start {name} and prove again", (f"docker compose up -d {name}", f"docker compose logs {name}"))


def _is_redirected(_attachments: Attachments, item: ResolvedFlow) -> bool:
    """Whether the probe arrived, and not at its endpoint."""
    return bool(item.flow.outcome == ARRIVED and item.flow.observed == UNKNOWN)


NOT_KNOWN: Final[Sequence[AdviceRule]] = (
    (lambda _, item: bool(_missing_place(item)), _start_service),
    (is_device, explain_device),
    (
        _is_redirected,
        advise(
            "another container receives the packets to {target}: find the rule that redirects them, and remove it",
            "iptables -t nat -S",
            "nft list ruleset",
        ),
    ),
    (
        lambda _, item: bool(item.source.positive_control),
        advise("find the rule that drops the traffic of {source} in its own namespace, and prove again"),
    ),
    (
        lambda _, item: bool(item.source.negative_control),
        advise("find the proxy that answers {source} for every address (a transparent proxy does), and prove again"),
    ),
    (
        lambda _, item: item.flow.observed != UNKNOWN,
        advise("the file does not say what is intended here: add a policy under x-cloison"),
    ),
    (always, advise("prove again when no container is starting or stopping")),
)
