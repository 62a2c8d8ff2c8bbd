"""Translations become redirect candidates of the containers that they may lead to."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from cloison.engine import ProxiedPort
from cloison.linux.translation import Conditions, Interval, Target, Translation, Translations
from cloison.model.facts import Attachment, Container, EngineFacts, Facts, Listener, PublishedPort, UnmanagedAddress
from cloison.model.flow import HOST, Protocol
from cloison.observe.redirects import MAX_PORTS, Redirects, VantageKey, redirects, sampled

TCP, UDP = Protocol.TCP, Protocol.UDP
ON_TCP = ((6, 6),)
HOST_KEY = (HOST, "")
DB, PROXY, HOSTED = "p-db-1", "p-proxy-1", "p-hosted-1"
ANY_DB_PORT = PublishedPort("0.0.0.0", 13306, TCP, 3306)


def number(address: str) -> int:
    return int(ip_address(address))


def at(first: str, last: str = "") -> Interval:
    """Return the interval of two addresses, or of one."""
    return number(first), number(last or first)


def container(name: str, *addresses: str, **more: Any) -> Container:
    attachments = tuple(Attachment("back", address) for address in addresses)
    return Container(name, f"id-{name}", "p", name, 1, "", attachments=attachments, **more)


FACTS = Facts(
    EngineFacts("docker", "28.0.0"),
    (
        container(DB, "10.1.0.2", exposed=((TCP, 33060),)),
        container(PROXY, "10.1.0.3", "10.2.0.3", published_ports=(PublishedPort("0.0.0.0", 8080, TCP, 80),)),
        container(HOSTED, network_mode=HOST),
    ),
    (),
    host_addresses=("192.0.2.1", "198.51.100.1", "fd00::1"),
    unmanaged_addresses=(UnmanagedAddress(DB, "eth9", "10.9.0.9"), UnmanagedAddress(DB, "eth8", "")),
)
LISTENERS = (Listener(DB, TCP, "0.0.0.0", 3306), Listener(DB, UDP, "0.0.0.0", 5353))


def conditions(*ports: int | Interval, address: Interval | None = None, **more: Any) -> Conditions:
    """Return the conditions of TCP packets over IPv4 to some ports."""
    intervals = tuple((port, port) if isinstance(port, int) else port for port in ports)
    return Conditions(frozenset({4}), ON_TCP, (address,) if address else None, intervals or None, **more)


def to(address: Interval | None, port: int | None = None, *, is_local: bool = False) -> Target:
    return Target(address, (port, port) if port else None, is_local=is_local)


def found(
    translation: Translation, key: VantageKey = HOST_KEY, proxies: tuple[ProxiedPort, ...] = (), facts: Facts = FACTS
) -> Redirects:
    return redirects(facts, LISTENERS, {key: Translations([translation])}, proxies)


def candidates(translation: Translation, key: VantageKey = HOST_KEY, **more: Any) -> Mapping[str, set[PublishedPort]]:
    """Return the candidates of a translation, without containers that have none."""
    return {name: ports for name, ports in found(translation, key, **more).candidates.items() if ports}


TO_DB = to(at("10.1.0.2"), 3306)


@pytest.mark.parametrize(
    ("asked", "target", "key", "expected"),
    [
        (conditions(13306), TO_DB, HOST_KEY, {DB: {ANY_DB_PORT}}),
        (conditions(13306, address=at("192.0.2.0", "192.0.2.255")), TO_DB, HOST_KEY,
         {DB: {PublishedPort("192.0.2.1", 13306, TCP, 3306)}}),
        (conditions(13306), to(at("10.9.0.9"), 3306), HOST_KEY, {DB: {ANY_DB_PORT}}),
        (conditions(13306), to(at("10.7.0.7"), 3306), HOST_KEY, {}),
        (conditions(13306), to(at("10.1.0.0", "10.1.0.9"), 80), HOST_KEY,
         {DB: {PublishedPort("0.0.0.0", 13306, TCP, 80)}, PROXY: {PublishedPort("0.0.0.0", 13306, TCP, 80)}}),
        (conditions((3000, 4000)), to(at("10.1.0.2")), HOST_KEY,
         {DB: {PublishedPort("0.0.0.0", port, TCP, port) for port in (3000, 3306, 3500, 4000)}}),
        (conditions(), to(at("10.1.0.2")), HOST_KEY,
         {DB: {PublishedPort("0.0.0.0", port, TCP, port) for port in (9, 3306, 33060)}}),
        (Conditions(frozenset({4}), None, None, ((53, 53),)), to(at("10.1.0.2"), 5353), HOST_KEY,
         {DB: {PublishedPort("0.0.0.0", 53, TCP, 5353), PublishedPort("0.0.0.0", 53, UDP, 5353)}}),
        (conditions(18080), to(None, 8080, is_local=True), HOST_KEY,
         {PROXY: {PublishedPort("0.0.0.0", 18080, TCP, 80)}, HOSTED: {PublishedPort("0.0.0.0", 18080, TCP, 8080)}}),
        (conditions(18080), to(at("192.0.2.1"), 8080), HOST_KEY,
         {PROXY: {PublishedPort("0.0.0.0", 18080, TCP, 80)}, HOSTED: {PublishedPort("0.0.0.0", 18080, TCP, 8080)}}),
        (conditions(18080), to(at("127.0.0.0", "127.255.255.255"), 8080), HOST_KEY,
         {PROXY: {PublishedPort("0.0.0.0", 18080, TCP, 80)}, HOSTED: {PublishedPort("0.0.0.0", 18080, TCP, 8080)}}),
        (conditions(13306), to(at("127.0.0.1"), 3306), ("", DB),
         {DB: {PublishedPort(address, 13306, TCP, 3306) for address in ("10.1.0.2", "10.9.0.9")}}),
        (conditions(18080), to(None, is_local=True), HOST_KEY, {}),
        (conditions(18080), to(None), HOST_KEY, {}),
        (conditions(13306, address=at("10.1.0.2")), to(None, 3306), HOST_KEY,
         {DB: {PublishedPort("10.1.0.2", 13306, TCP, 3306)}}),
        (conditions(13306), to(None, 3306, is_local=True), ("", DB),
         {DB: {PublishedPort(address, 13306, TCP, 3306) for address in ("10.1.0.2", "10.9.0.9")}}),
        (conditions(13306), TO_DB, ("", PROXY),
         {DB: {PublishedPort(address, 13306, TCP, 3306) for address in ("10.1.0.3", "10.2.0.3")}}),
        (conditions(13306, address=at("10.2.0.3")), TO_DB, ("", PROXY),
         {DB: {PublishedPort("10.2.0.3", 13306, TCP, 3306)}}),
        (conditions(13306), TO_DB, ("", "p-none-1"), {}),
    ],
)  # fmt: skip
def test_a_translation_has_candidates(
    asked: Conditions, target: Target, key: VantageKey, expected: Mapping[str, set[PublishedPort]]
) -> None:
    assert expected == candidates(Translation(asked, target, "pre"), key)


def test_a_redirect_to_a_port_of_a_proxy_leads_to_its_container() -> None:
    proxies = (ProxiedPort("", 9000, TCP, "10.1.0.2", 3306), ProxiedPort("", 9001, TCP, "10.7.0.7", 1))

    result = found(Translation(conditions(19000), to(None, 9000, is_local=True), "pre"), proxies=proxies)

    assert {PublishedPort("", 9000, TCP, 3306), PublishedPort("0.0.0.0", 19000, TCP, 3306)} == result.candidates[DB]
    assert DB in {c.name for c in result.containers(FACTS) if c.redirect_candidates}


def test_an_address_of_ipv6_is_asked_over_ipv6_only() -> None:
    facts = Facts(FACTS.engine, (container(DB, "fd00::2"),), (), host_addresses=FACTS.host_addresses)
    asked = Conditions(frozenset({6}), ON_TCP, None, ((13306, 13306),))

    result = candidates(Translation(asked, to(at("fd00::2"), 3306), "pre"), facts=facts)

    assert {DB: {PublishedPort("::", 13306, TCP, 3306)}} == result


def test_packets_that_a_container_sends_itself_have_no_candidates() -> None:
    rule = Translation(conditions(53, address=at("127.0.0.11")), TO_DB, "OUTPUT", is_output=True)

    assert Redirects() == found(rule, ("", PROXY))
    assert found(rule).not_probed


@pytest.mark.parametrize(
    ("versions", "address", "where"),
    [
        (4, at("203.0.113.5"), "203.0.113.5"),
        (4, at("203.0.113.0", "203.0.113.255"), "203.0.113.0 to 203.0.113.255"),
        (6, at("2001:db8::5"), "2001:db8::5"),
    ],
)
def test_a_rule_for_an_address_of_no_namespace_is_named(versions: int, address: Interval, where: str) -> None:
    asked = Conditions(frozenset({versions}), ON_TCP, (address,), ((13306, 13306),))
    target = at("10.1.0.2") if versions == 4 else at("fd00::2")
    facts = Facts(FACTS.engine, (container(DB, "10.1.0.2", "fd00::2"),), (), host_addresses=FACTS.host_addresses)

    result = found(Translation(asked, Target(target, (3306, 3306)), "pre"), facts=facts)

    (sentence,) = result.not_probed
    assert sentence.startswith(f"a DNAT rule redirects {where} port 13306/tcp to port 3306 of {DB}; no namespace here")


def test_a_protocol_that_is_not_probed_is_named() -> None:
    result = found(Translation(Conditions(frozenset({4}), ((132, 132),), None, ((53, 53),)), TO_DB, "pre"))

    assert {f"the chain pre translates the protocol 132 to {DB}, which is not probed"} == result.not_probed
    assert not any(result.candidates.values())


def test_ports_that_are_not_all_asked_are_named() -> None:
    every = found(Translation(conditions(), TO_DB, "pre of the table nat (ip)")).notes
    some = found(Translation(conditions((1, 3), *range(1000, 2000, 2)), TO_DB, "pre")).notes
    short = found(Translation(conditions((1000, 2000)), TO_DB, "pre")).notes

    assert {f"the chain pre of the table nat (ip) translates 65536 ports to {DB}, of which a probe asks 1: 9"} == every
    assert [note.endswith(", …") for note in some] == [True]
    assert {f"the chain pre translates 1001 ports to {DB}, of which a probe asks 3: 1000, 1500, 2000"} == short
    assert not found(Translation(conditions(13306), TO_DB, "pre")).notes


def test_many_ports_are_sampled() -> None:
    many = sampled(conditions(*range(1, 1000)))

    assert 1 < len(many) <= MAX_PORTS


def test_what_was_not_understood_is_handed_on() -> None:
    result = redirects(FACTS, (), {HOST_KEY: Translations([], ["the chain x has the expression y"])}, ())

    assert {"the chain x has the expression y"} == result.not_probed
