"""The default routes of a namespace are read from the kernel, those with the lowest metric alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from cloison.linux import default_routes, netns

pytestmark = pytest.mark.engine
LINKS = ("one", "two")


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    """Enter a namespace with two links."""
    descriptor = netns.new()
    try:
        with netns.inside(descriptor):
            for number, link in enumerate(LINKS):
                ip(f"link add {link} type bridge")
                ip(f"addr add 198.18.{number}.2/24 dev {link}")
                ip(f"addr add fd00:{number}::2/64 dev {link} nodad")
                ip(f"link set {link} up")
            yield
    finally:
        os.close(descriptor)


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def names(version: int = 4) -> list[str]:
    found = subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True).stdout.splitlines()
    by_index = {int(line.split(":")[0]): line.split(":")[1].strip() for line in found}
    return [by_index[index] for index in default_routes.read(version)]


def test_without_a_default_route_there_is_none() -> None:
    ip("route add 203.0.113.0/24 via 198.18.0.1")
    ip("route add blackhole default table 7")

    assert [] == names() == names(6)


def test_a_route_with_a_higher_metric_waits_behind_the_other() -> None:
    ip("route add default via 198.18.0.1 metric 20")
    ip("route add default via 198.18.1.1 metric 10")

    assert ["two"] == names()


def test_two_routes_with_one_metric_are_both_named() -> None:
    ip("route add default via 198.18.0.1")
    ip("route append default via 198.18.1.1")

    assert ["one", "two"] == names()


def test_the_next_hops_of_one_route_are_named() -> None:
    ip("route add default nexthop via 198.18.1.1 nexthop via 198.18.0.1")
    ip("-6 route add default via fd00:1::1")

    assert ["two", "one"] == names()
    assert ["two"] == names(6)
