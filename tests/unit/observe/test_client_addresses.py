"""The source address with which a client of a published port arrives is told for each port."""

from __future__ import annotations

from typing import Any, cast

from tests.unit.fake_engine import DUAL_STACK, STACK, label

from cloison.model.outcome import Outcome, unknown
from cloison.observe.client_addresses import OWN, PROXIED, client_addresses
from cloison.probe.probe import Probe

HOST, TARGET = (cast("Any", object()) for _ in range(2))
PUBLISHED = next(flow for flow in STACK.flows() if label(flow) == "outside -> proxy-1:80 at 192.0.2.10:8080")
DIRECT = next(flow for flow in STACK.flows() if label(flow) == "outside -> proxy-1:80 on frontend_net")
OVER_IPV6 = next(f for f in DUAL_STACK.flows() if label(f) == "outside -> proxy-1:80 at [2001:db8:1a::10]:8080")


def probe(*arrived: Any, source: bytes = b"", outcome: Outcome = Outcome.ACCEPTED) -> Probe:
    return Probe(HOST, "192.0.2.10", 8080, TARGET, arrived=arrived, source=source, outcome=outcome)


def notes(*found: Any) -> list[str]:
    return client_addresses([*found], STACK.facts)


def test_a_client_that_is_only_translated_keeps_its_address() -> None:
    own = probe(TARGET, source=bytes([198, 51, 100, 2]))

    assert [f"clients of proxy:80 arrive {OWN}"] == notes((PUBLISHED, own), (PUBLISHED, own))


def test_a_client_that_is_masqueraded_arrives_with_another_address() -> None:
    other = probe(TARGET, source=bytes([172, 30, 2, 1]))

    assert ["clients of proxy:80 arrive with the address 172.30.2.1"] == notes((PUBLISHED, other))


def test_a_client_of_a_proxy_arrives_as_the_gateway() -> None:
    assert [f"clients of proxy:80 over IPv6 arrive {PROXIED}"] == notes((OVER_IPV6, probe(HOST)))


def test_what_is_not_known_or_no_published_port_is_not_told() -> None:
    lost = probe(outcome=Outcome.SILENT)

    assert [] == notes((PUBLISHED, lost), (PUBLISHED, probe(TARGET)), (PUBLISHED, unknown("x")), (DIRECT, probe(HOST)))
