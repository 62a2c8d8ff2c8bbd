"""The findings about networks that carry packets to other machines otherwise than predicted, or several at once."""

from __future__ import annotations

from cloison.findings.egress_networks import egress_risks
from cloison.model.facts import EgressNetworks

FRONT = EgressNetworks("app-1", 4, ("front",))
VPN = EgressNetworks("app-1", 4, ("vpn",))
BOTH = EgressNetworks("app-1", 4, ("front", "vpn"))
NONE = EgressNetworks("app-1", 4, ())


def found(seen: EgressNetworks, *predicted: EgressNetworks) -> list[tuple[str, str]]:
    return [(risk.what, risk.sentence) for risk in egress_risks([seen], predicted)]


def test_another_network_than_predicted_is_named_with_both() -> None:
    assert [("egress-network", "leaves over front (IPv4), by the file and the engine over vpn")] == found(FRONT, VPN)
    assert [("egress-network", "leaves over no network (IPv4), by the file and the engine over vpn")] == found(
        NONE, VPN
    )


def test_what_is_predicted_or_not_known_is_no_finding() -> None:
    assert [] == found(FRONT, FRONT) == found(FRONT)


def test_two_default_routes_are_named() -> None:
    ((kind, sentence),) = found(BOTH, BOTH)

    assert "two-default-routes" == kind
    assert "has a default route on each of front, vpn" in sentence
