"""An announcement has the bytes of its RFC."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from cloison.linux.announcement import advertisement, arp_frame

MAC = bytes.fromhex("0242c6120205")


def test_an_arp_announcement_asks_everybody_for_the_own_address() -> None:
    head, sender, target = (
        "ffffffffffff0242c612020508060001080006040001",
        "0242c6120205c6120205",
        "000000000000c6120205",
    )

    assert bytes.fromhex(head + sender + target) == arp_frame(MAC, IPv4Address("198.18.2.5"))


def test_an_advertisement_replaces_what_a_neighbour_knows() -> None:
    expected = "8800000020000000fd00000000000000000000000000000502010242c6120205"

    assert bytes.fromhex(expected) == advertisement(MAC, IPv6Address("fd00::5"))
