"""DNS queries are encoded and parsed."""

from __future__ import annotations

import struct

import pytest

from cloison.audit.dns_leak_check import dns_payload, dns_query, query_label


def test_a_query_is_recursive_and_for_the_ipv4_address_of_a_name_that_does_not_exist() -> None:
    query = dns_query("0a1b2c")

    assert (0x0100, 1, 0, 0, 0) == struct.unpack("!5H", query[2:12])
    assert b"\x060a1b2c\x07cloison\x07invalid\x00\x00\x01\x00\x01" == query[12:]


def test_two_queries_for_one_name_have_different_ids() -> None:
    assert 1 < len({dns_query("0a1b2c")[:2] for _ in range(64)})


@pytest.mark.parametrize("label", ["a", "0a1b2c3d4e5f6071", "x" * 63])
def test_the_label_of_a_query_is_read_back(label: str) -> None:
    assert label == query_label(dns_query(label))


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\0" * 12, b"\0" * 13, b"\xff" * 11, dns_query("abc")[:-6]],
    ids=["empty", "zeros", "more zeros", "ones", "a query that was cut"],
)
def test_a_datagram_that_is_no_query_has_no_label(datagram: bytes) -> None:
    assert "" == query_label(datagram)


def test_a_label_that_is_not_ascii_matches_none() -> None:
    assert "\ufffdb" == query_label(dns_query("ab").replace(b"ab", b"\xffb"))


@pytest.mark.parametrize("options", [b"", b"\x01" * 8])
def test_only_packets_to_port_53_have_a_payload(options: bytes) -> None:
    head = bytes([0x40 | 5 + len(options) // 4]) + b"\0" * 19 + options

    assert b"question" == dns_payload(head + struct.pack("!4H", 40000, 53, 16, 0) + b"question")
    assert b"" == dns_payload(head + struct.pack("!4H", 53, 40000, 16, 0) + b"question")
