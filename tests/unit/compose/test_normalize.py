"""Every verb reads the same spelling of a resolved file."""

from __future__ import annotations

from typing import Any

import pytest

from cloison.compose.normalize import normalized

VPN = {"image": "v", "container_name": "my-vpn"}


@pytest.mark.parametrize(
    ("mode", "read"),
    [
        ("container:my-vpn", "service:vpn"),
        ("container:another", "container:another"),
        ("service:vpn", "service:vpn"),
        ("host", "host"),
        (None, None),
    ],
)
def test_the_container_name_of_a_service_is_the_service(mode: str | None, read: str | None) -> None:
    document, left_out = normalized({"services": {"vpn": VPN, "client": {"network_mode": mode}}})

    assert {"vpn": VPN, "client": {"network_mode": read}} == document["services"]
    assert [] == left_out


def test_a_service_with_a_provider_is_no_container() -> None:
    document, left_out = normalized({"name": "x", "services": {"app": {}, "pg": {"provider": {"type": "cloud"}}}})

    assert {"name": "x", "services": {"app": {}}} == document
    assert ["service pg has a provider, so it is no container and has no flows"] == left_out


@pytest.mark.parametrize("document", [{}, {"services": None}, {"services": []}, {"services": {"a": None}}])
def test_a_document_of_another_shape_is_left_to_the_reader(document: dict[str, Any]) -> None:
    assert (document, []) == normalized(document)
