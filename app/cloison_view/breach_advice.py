"""Advice about breaches: what to remove from the running project, where it differs from its file.

Input: the attachments and a flow. Output: the table of rules for each cause of a breach.
Rule: conditions read the members of the document, never its prose. What the file itself decides is for the changes that
a plan tries, see `plan.advice`; here is only the reference to them, for documents that have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from cloison_view.action_items import Advice
from cloison_view.attachments import Attachments, ResolvedFlow, over_ipv6
from cloison_view.labels import FOREIGN_PREFIX, OUTSIDE, display_name

DETACH: Final = "ip link set dev {} nomaster"
DISCONNECT: Final = "docker network disconnect {} {}"
DEVICE: Final = "device"
"""The origin of a vantage that is a device on a network, of which it is unknown what it reaches."""
LINKS: Final = "bridge link"
FIREWALL: Final = ("iptables -S FORWARD", "iptables -S DOCKER-USER", "iptables -t nat -S")
FIREWALL_V6: Final = ("ip6tables -S FORWARD", "ip6tables -t nat -S")

Condition = Callable[[Attachments, ResolvedFlow], bool]
AdviceBuilder = Callable[[Attachments, ResolvedFlow], Advice]
AdviceRule = tuple[Condition, AdviceBuilder]


def always(_attachments: Attachments, _item: ResolvedFlow) -> bool:
    """Return true: the condition of the last row of a table."""
    return True


def advise(sentence: str, *commands: str, policy: bool = False) -> AdviceBuilder:
    """Return a builder of advice that fills the names of the ends of the flow into the texts."""

    def build(attachments: Attachments, item: ResolvedFlow) -> Advice:
        fields = {
            "source": display_name(item.source.place),
            "target": display_name(item.target.place),
            "network": attachments.label(item.target.network),
            "line": item.flow.intended_by,
        }
        return Advice(sentence.format(**fields), tuple(c.format(**fields) for c in commands), policy)

    return build


def _member(attachments: Attachments, item: ResolvedFlow) -> str:
    """Return the end of a flow that is on a network without the engine, empty for none."""
    return next((end.container for end in (item.source, item.target) if end.container in attachments.members), "")


def _has_member(attachments: Attachments, item: ResolvedFlow) -> bool:
    return bool(_member(attachments, item))


def _detach_member(attachments: Attachments, item: ResolvedFlow) -> Advice:
    name = _member(attachments, item)
    port, network = attachments.members[name], attachments.label(item.target.network)
    return Advice(
        f"{name} is connected to {network}, and the engine did not connect it: remove the connection",
        (DETACH.format(port),) if port else (),
    )


def is_device(attachments: Attachments, item: ResolvedFlow) -> bool:
    """Whether an end of a flow is a device of which it is unknown what it reaches."""
    return (not item.target.address and _has_member(attachments, item)) or item.source.origin == DEVICE


def explain_device(attachments: Attachments, item: ResolvedFlow) -> Advice:
    """Return the advice about such a device."""
    name = _member(attachments, item)
    port, network = attachments.members[name], attachments.label(item.target.network)
    return Advice(
        f"it is unknown what {name} on {network} reaches: remove it from the network, or tolerate it in the policy "
        f"with `- device: {name}` and the reason",
        (DETACH.format(port),) if port else (),
    )


TRY_CHANGES: Final = (
    "the file decides this: `cloison plan` tries changes of the file, and prints one that works and breaks nothing"
)
PLAN: Final = "cloison plan"
OPEN_BY_FILE: Final[Sequence[AdviceRule]] = (
    (_has_member, _detach_member),
    (always, advise(TRY_CHANGES, PLAN, policy=True)),
)


def _has_foreign_container(_attachments: Attachments, item: ResolvedFlow) -> bool:
    return any(place.startswith(FOREIGN_PREFIX) for place in (item.source.place, item.target.place))


def _disconnect_foreign(attachments: Attachments, item: ResolvedFlow) -> Advice:
    name = next(display_name(p) for p in (item.source.place, item.target.place) if p.startswith(FOREIGN_PREFIX))
    attached_networks = sorted(attachments.attached.get(name, frozenset())) or [item.target.network]
    labels = " and ".join(attachments.label(network) for network in attached_networks)
    return Advice(
        f"{name}, which is not in the file, is attached to {labels}: disconnect it",
        tuple(DISCONNECT.format(network, name) for network in attached_networks),
    )


def _is_target_undeclared(attachments: Attachments, item: ResolvedFlow) -> bool:
    place = item.target.place
    return (
        place in attachments.declared
        and bool(item.target.network)
        and not attachments.is_declared(place, item.target.network)
    )


def _is_source_undeclared(attachments: Attachments, item: ResolvedFlow) -> bool:
    """Whether the source is attached to a network of the target to which the file does not attach it."""
    undeclared_networks = attachments.undeclared_networks(item.source.place, item.source.container)
    return item.target.network in undeclared_networks or (not item.target.network and bool(undeclared_networks))


def _disconnect(place: str, container: str, networks: Sequence[str], attachments: Attachments) -> Advice:
    labels = " and ".join(attachments.label(name) for name in networks)
    return Advice(
        f"{place} was connected to {labels} while it ran: disconnect it, or add the network to the file",
        tuple(DISCONNECT.format(name, container) for name in networks),
    )


def _disconnect_target(attachments: Attachments, item: ResolvedFlow) -> Advice:
    return _disconnect(item.target.place, item.target.container, [item.target.network], attachments)


def _disconnect_source(attachments: Attachments, item: ResolvedFlow) -> Advice:
    networks = attachments.undeclared_networks(item.source.place, item.source.container)
    target_network = [name for name in networks if name == item.target.network]
    return _disconnect(item.source.place, item.source.container, target_network or networks, attachments)


def _lost_internal(attachments: Attachments, item: ResolvedFlow) -> bool:
    """Whether a network of the source is not internal at the engine, although the file predicts no egress."""
    return item.target.place == OUTSIDE and bool(attachments.non_internal_networks(item.source.place))


def _recreate_networks(attachments: Attachments, item: ResolvedFlow) -> Advice:
    names = " and ".join(attachments.label(name) for name in attachments.non_internal_networks(item.source.place))
    return Advice(
        f"{names} exists at the engine without `internal`, and `up` does not change an existing network: recreate it",
        ("docker compose down", "docker compose up -d"),
    )


def _has_devices(attachments: Attachments, _item: ResolvedFlow) -> bool:
    return bool(attachments.members)


def _detach_members(attachments: Attachments, _item: ResolvedFlow) -> Advice:
    names = " and ".join(sorted(attachments.members))
    return Advice(
        f"the engine did not connect {names} to the project's networks, and a link between two networks forwards "
        "packets: remove what should not be there, and prove again",
        tuple(DETACH.format(port) for port in sorted(filter(None, attachments.members.values()))),
    )


ASK_THE_HOST: Final = (
    "both ends are attached as the file declares: look for what forwards this on the host, a rule of the firewall or "
    "an interface that connects two networks"
)
OPEN_BY_DRIFT: Final[Sequence[AdviceRule]] = (
    (_has_member, _detach_member),
    (_has_foreign_container, _disconnect_foreign),
    (_is_target_undeclared, _disconnect_target),
    (_is_source_undeclared, _disconnect_source),
    (_lost_internal, _recreate_networks),
    (_has_devices, _detach_members),
    (over_ipv6, advise(ASK_THE_HOST, *FIREWALL_V6, LINKS)),
    (always, advise(ASK_THE_HOST, *FIREWALL, LINKS)),
)

BREACH_ADVICE: Final[dict[str | None, Sequence[AdviceRule]]] = {
    "file": OPEN_BY_FILE,
    "drift": OPEN_BY_DRIFT,
    None: (
        (_has_member, _detach_member),
        (_has_foreign_container, _disconnect_foreign),
        (_is_target_undeclared, _disconnect_target),
        (always, advise("the file does not decide this: close it at the engine or on the host", policy=True)),
    ),
}
