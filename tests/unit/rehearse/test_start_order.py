"""Containers of a rehearsal start in an order in which each gets its address."""

from __future__ import annotations

from typing import Any

import pytest

from cloison.rehearse.start_order import STARTED, dependencies

FREE: dict[str, Any] = {"networks": {"net": None}}
FIXED: dict[str, Any] = {"networks": {"net": {"ipv4_address": "172.20.0.2"}}}


def after(*others: str) -> dict[str, Any]:
    return {"depends_on": {other: {"condition": "service_healthy"} for other in others}}


@pytest.mark.parametrize(
    ("services", "waits"),
    [
        ({"app": FREE, "db": FREE}, {}),
        ({"app": FREE | after("db", "gone"), "db": FREE}, {"app": ["db"]}),
        ({"dns": FIXED, "app": FREE, "web": FREE}, {"app": ["dns"], "web": ["dns"]}),
        ({"dns": FIXED, "other": FIXED, "app": FREE}, {"app": ["dns", "other"]}),
        ({"dns": FIXED, "app": {"networks": {"else": None}}}, {}),
        ({"six": {"networks": {"net": {"ipv6_address": "fd00::2"}}}, "app": FREE}, {"app": ["six"]}),
        ({"dns": FIXED | after("app"), "app": FREE, "web": FREE}, {"dns": ["app"], "web": ["dns"]}),
        ({"dns": FIXED | after("web"), "web": FREE | after("app"), "app": FREE}, {"dns": ["web"], "web": ["app"]}),
        ({"side": {"network_mode": "service:app"}, "app": FREE}, {"side": ["app"]}),
        (
            {"dns": FIXED | after("side"), "side": {"network_mode": "service:app"}, "app": FREE},
            {"dns": ["side"], "side": ["app"]},
        ),
        ({"agent": {"network_mode": "host"}, "app": FREE}, {}),
    ],
)
def test_what_starts_before_what(services: dict[str, Any], waits: dict[str, list[str]]) -> None:
    expected = {name: dict.fromkeys(others, STARTED) for name, others in waits.items()}

    assert expected == dependencies(services, services)
