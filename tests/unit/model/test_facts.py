from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.fake_engine import BACK, DUAL_STACK, FRONT, STACK, container

from cloison.model.facts import Attachment, EngineFacts, Facts, Listener, NetworkFacts, PublishedPort
from cloison.model.flow import Protocol, ip_version


@pytest.mark.parametrize(
    ("bound", "asked", "answers"),
    [
        ("0.0.0.0", "192.0.2.10", True),
        ("", "192.0.2.10", True),
        ("192.0.2.10", "192.0.2.10", True),
        ("127.0.0.1", "192.0.2.10", False),
        ("192.0.2.1", "192.0.2.10", False),
        ("0.0.0.0", "2001:db8::1", False),
        ("::", "2001:db8::1", True),
        ("::", "192.0.2.10", False),
        ("", "2001:db8::1", True),
    ],
)
def test_a_published_port_binds_its_address_or_all(bound: str, asked: str, answers: bool) -> None:
    assert answers is PublishedPort(bound, 8080, Protocol.TCP, 80).binds(asked)


@pytest.mark.parametrize(
    ("subnets", "held"),
    [
        (("172.30.1.0/24",), True),
        (("10.0.0.0/8", "172.30.1.0/24"), True),
        (("172.30.1.1/24",), True),  # older engines keep the text as typed
        (("172.30.2.0/24",), False),
        (("fd00:1::/64",), False),
        ((), False),
    ],
)
def test_a_network_contains_the_addresses_of_its_subnets(subnets: tuple[str, ...], held: bool) -> None:
    assert held is NetworkFacts("net", subnets=subnets).contains("172.30.1.7")


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("20.10.24+dfsg1", (20, 10)),
        ("28.0.0-rc.1", (28, 0)),
        ("v29.1", (29, 1)),
        ("29.6.2", (29, 6)),
        ("dev", (0, 0)),
        ("", (0, 0)),
        ("a.b", (0, 0)),
        ("²8.0", (0, 0)),  # a superscript is no digit of a version
    ],
)
def test_a_release_is_the_first_two_numbers_of_a_version(version: str, release: tuple[int, int]) -> None:
    assert release == EngineFacts("docker", version).release


@given(st.text(max_size=20))
def test_every_version_has_a_release(version: str) -> None:
    assert 2 == len(EngineFacts("docker", version).release)


def test_a_network_is_found_by_the_name_that_the_engine_gives_it() -> None:
    found = STACK.facts.network(BACK)

    assert found is not None
    assert found.internal
    assert STACK.facts.network("backend_net") is None


def test_an_address_of_the_host_belongs_to_the_network_that_contains_it_or_to_none() -> None:
    assert (
        ("", "127.0.0.1"),
        ("", "192.0.2.10"),
        ("", "198.51.100.1"),
        (BACK, "172.30.1.1"),
        (FRONT, "172.30.2.1"),
    ) == STACK.facts.host_attachments


def test_a_link_local_address_differs_on_every_network() -> None:
    found = [attachment for attachment in DUAL_STACK.facts.host_attachments if ":" in attachment[1] and attachment[0]]

    assert [(BACK, "fd00:1::1"), (BACK, "fe80::1"), (FRONT, "fd00:2::1"), (FRONT, "fe80::1")] == found


@pytest.mark.parametrize(
    ("attachment", "addresses"),
    [
        (Attachment(BACK, "172.30.1.2"), ("172.30.1.2",)),
        (Attachment(BACK, "172.30.1.2", "fd00:1::2"), ("172.30.1.2", "fd00:1::2")),
        (Attachment(BACK, "", "fd00:1::2"), ("fd00:1::2",)),
    ],
)
def test_an_attachment_has_an_address_of_each_version_of_ip_of_its_network(
    attachment: Attachment, addresses: tuple[str, ...]
) -> None:
    assert addresses == attachment.addresses


@pytest.mark.parametrize(("address", "version"), [("192.0.2.1", 4), ("2001:db8::1", 6), ("::", 6), ("", 4)])
def test_an_address_tells_its_version_of_ip(address: str, version: int) -> None:
    assert version == ip_version(address)


@pytest.mark.parametrize(
    ("bound", "asked", "hears"),
    [
        ("0.0.0.0", "172.30.1.2", True),
        ("172.30.1.2", "172.30.1.2", True),
        ("172.30.1.3", "172.30.1.2", False),
        ("0.0.0.0", "fd00:1::2", False),
        ("::", "fd00:1::2", True),
        ("::", "172.30.1.2", False),  # a dual-stack socket is reported as one more listener
        ("fd00:1::2", "fd00:1::2", True),
    ],
)
def test_a_listener_receives_packets_to_its_address_or_to_any_of_its_version(
    bound: str,
    asked: str,
    hears: bool,
) -> None:
    assert hears is Listener("db-1", Protocol.TCP, bound, 3306).listens_on(asked)


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        STACK.facts.engine.name = "podman"  # type: ignore[misc]


def test_flows_are_ordered_by_their_vantages_first() -> None:
    asked = STACK.flows()

    first = min(asked)
    assert first.vantage == min(flow.vantage for flow in asked)
    assert first < replace(first, vantage=replace(first.vantage, place=first.vantage.place + "+"))


@pytest.mark.parametrize(
    ("modes", "namespace"),
    [
        ({"a": ""}, "id-of-a-1"),
        ({"a": "none"}, "id-of-a-1"),
        ({"a": "host"}, "host"),
        ({"a": "container:id-of-b-1", "b": ""}, "id-of-b-1"),
        ({"a": "container:id-of-b-1", "b": "container:id-of-c-1", "c": "host"}, "host"),
        ({"a": "container:id-of-another"}, "id-of-another"),
        ({"a": "container:id-of-b-1", "b": "container:id-of-a-1"}, "id-of-a-1"),
    ],
)
def test_a_container_is_in_the_network_namespace_of_the_owner_that_its_mode_leads_to(
    modes: dict[str, str], namespace: str
) -> None:
    containers = tuple(container(name, network_mode=mode) for name, mode in modes.items())

    assert namespace == Facts(STACK.facts.engine, containers, ()).network_namespaces["a-1"]
