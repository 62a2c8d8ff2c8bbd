"""Addresses that an engine refuses are an error of the file, with the position of the second one."""

from __future__ import annotations

from typing import Any

import pytest

from cloison.compose.addressing import check_addresses
from cloison.compose.project import project
from cloison.errors import FileError


def network(*subnets: str, **more: Any) -> dict[str, Any]:
    return {"ipam": {"config": [{"subnet": subnet} for subnet in subnets]}, **more}


def document(networks: dict[str, Any], **addresses: str) -> dict[str, Any]:
    """Return a document whose services have these static IPv4 addresses on the network x."""
    services = {name: {"networks": {"x": {"ipv4_address": address}}} for name, address in addresses.items()}
    return {"name": "shop", "services": services, "networks": networks}


@pytest.mark.parametrize(
    "body",
    [
        document({"x": {}, "y": {"ipam": {"config": [{}]}}, "z": {"ipam": {}}}),
        document({"x": network("10.77.0.0/24", "fd00:1::/64"), "y": network("10.77.1.0/24", "fd00:2::/64")}),
        document({"x": network("10.77.0.0/16"), "y": network("10.77.5.0/24", external=True)}),
        document({"x": network("10.77.0.0/24")}, a="10.77.0.2", b="10.77.0.3"),
        document({"x": {"external": True}}, a="10.77.0.2"),
    ],
)
def test_addresses_that_an_engine_accepts_are_no_error(body: dict[str, Any]) -> None:
    check_addresses(project(body))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            document({"x": network("10.77.0.0/16"), "y": network("192.0.2.0/24", "10.77.5.0/24")}),
            "networks.y.ipam: the subnet 10.77.5.0/24 overlaps 10.77.0.0/16 of the network x",
        ),
        (document({"x": network("10.77.0.0/33")}), 'networks.x.ipam: "10.77.0.0/33" is no subnet'),
        (document({"x": network("10.77.0.0/24")}, a="10.78.0.2"), "services.a.networks.x: 10.78.0.2 is in no subnet"),
        (document({"x": {}}, a="10.78.0.2"), "services.a.networks.x: 10.78.0.2 is in no subnet"),
        (document({"x": network("10.77.0.0/24")}, a="ten"), 'services.a.networks.x: "ten" is not an address'),
        (
            document({"x": network("10.77.0.0/24")}, a="10.77.0.2", b="10.77.0.2"),
            "services.b.networks.x: a has the address 10.77.0.2, too",
        ),
    ],
)
def test_addresses_that_an_engine_refuses_are_an_error_with_a_position(body: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FileError) as error:
        check_addresses(project(body))

    assert str(error.value).startswith(sentence)
