"""Probes add entries to the kernel's neighbor tables, and the prober evicts them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import NamedTuple

import pytest

from cloison.linux import mmsg, neighbor_table, netns
from cloison.linux.neighbor_table import NeighborTables
from cloison.model.flow import Protocol
from cloison.model.outcome import Outcome
from cloison.probe import probe as probe_probe
from cloison.probe import prober
from cloison.probe import sockets as probe_sockets
from cloison.probe.probe import Probe
from cloison.probe.prober import Prober
from cloison.probe.sockets import SourceRoute

pytestmark = pytest.mark.engine
A, B = "cloison-neighbour-a", "cloison-neighbour-b"
ADDRESSES = {A: ("198.51.100.233/29", "2001:db8:c106::1/64"), B: ("198.51.100.234/29", "2001:db8:c106::2/64")}
KEPT = ("198.51.100.235", "02:00:00:00:00:35")
DEFAULT_TIMEOUT = 0.3
TRIED = 8
SETTLING = 10


class Space(NamedTuple):
    descriptor: int


def ip(*words: str) -> str:
    """Run the program `ip` and return its output."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@contextmanager
def veth_namespaces() -> Iterator[tuple[Space, Space]]:
    with ExitStack() as stack:
        for name in ADDRESSES:
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
        ip("link", "add", "far", "netns", A, "type", "veth", "peer", "name", "far", "netns", B)
        for name, addresses in ADDRESSES.items():
            for address in addresses:
                ip("-n", name, "addr", "add", address, "dev", "far", *(["nodad"] if ":" in address else []))
            ip("-n", name, "link", "set", "far", "up")
        set_outcome()
        opened = [os.open(f"/run/netns/{name}", os.O_RDONLY) for name in ADDRESSES]
        for descriptor in opened:
            stack.callback(os.close, descriptor)
        yield Space(opened[0]), Space(opened[1])


def set_outcome() -> None:
    """Wait until the interfaces are up: an earlier ARP request is lost, and the kernel repeats it after a second."""
    deadline = time.monotonic() + SETTLING
    while any("tentative" in ip("-n", name, "addr") or "fe80:" not in ip("-n", name, "addr") for name in ADDRESSES):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def spaces() -> Iterator[tuple[Space, Space]]:
    with veth_namespaces() as made:
        yield made


def known(name: str) -> set[str]:
    """Return the addresses that a namespace has resolved, without link-local ones."""
    lines = (line.split() for line in ip("-n", name, "neigh", "show").splitlines())
    return {words[0] for words in lines if words and not words[0].startswith("fe80:") and "lladdr" in words}


def speak(address: str) -> None:
    ip("netns", "exec", A, "python3", "-c", SPEAK.format(address))


SPEAK = "import socket; s = socket.create_connection; a = ('{}', 9)\ntry: s(a, 1)\nexcept OSError: pass"


def test_new_entries_are_evicted_and_old_ones_stay(spaces: tuple[Space, Space]) -> None:
    ip("-n", A, "neigh", "add", KEPT[0], "lladdr", KEPT[1], "dev", "far", "nud", "permanent")
    speak("198.51.100.234")
    with NeighborTables(spaces) as table:
        speak("2001:db8:c106::2")
        assert known(A) == {KEPT[0], "198.51.100.234", "2001:db8:c106::2"}
        table.evict()

        assert known(A) == {KEPT[0], "198.51.100.234"}
        assert known(B) == {"198.51.100.233"}


def test_a_new_static_entry_stays(spaces: tuple[Space, Space]) -> None:
    with NeighborTables(spaces) as table:
        ip("-n", A, "neigh", "add", KEPT[0], "lladdr", KEPT[1], "dev", "far", "nud", "permanent")
        ip(
            "-n",
            A,
            "neigh",
            "add",
            "198.51.100.236",
            "lladdr",
            KEPT[1],
            "dev",
            "far",
            "nud",
            "reachable",
            "extern_learn",
        )
        table.evict()

    assert known(A) == {KEPT[0], "198.51.100.236"}


def test_an_unresolved_entry_stays(spaces: tuple[Space, Space]) -> None:
    with NeighborTables(spaces) as table:
        ip(
            "netns",
            "exec",
            A,
            "python3",
            "-c",
            "import socket; socket.socket(type=2).sendto(b'', ('198.51.100.237', 9))",
        )
        table.evict()

    assert "198.51.100.237" in ip("-n", A, "neigh", "show")


def test_the_usage_of_the_tables_is_read(spaces: tuple[Space, Space]) -> None:
    with NeighborTables(spaces) as table:
        filled = table.usage()

    assert len(filled) == 2
    assert all(0 <= item.entries <= item.limit for item in filled)


@contextmanager
def probing(spaces: tuple[Space, Space]) -> Iterator[tuple[Prober, list[Probe]]]:
    with Prober() as made:
        here, there = (made.open_sockets(name, space.descriptor) for name, space in zip(ADDRESSES, spaces, strict=True))
        made.guard()
        yield (
            made,
            [
                Probe(source, address.partition("/")[0], target.canaries[protocol], target, protocol)
                for source, target, name in ((here, there, B), (there, here, A))
                for address in ADDRESSES[name]
                for protocol in (Protocol.TCP, Protocol.UDP)
                for _ in range(TRIED)
            ],
        )


def test_probes_arrive_while_entries_are_evicted(spaces: tuple[Space, Space], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbor_table, "FREE_SHARE", 1 << 20)
    monkeypatch.setattr(prober, "WINDOW", 1)
    with probing(spaces) as (made, sent):
        made.send(sent, DEFAULT_TIMEOUT)

    assert {Protocol.TCP: {Outcome.ACCEPTED}, Protocol.UDP: {Outcome.ARRIVED}} == {
        protocol: {probe.outcome for probe in sent if probe.protocol is protocol}
        for protocol in (Protocol.TCP, Protocol.UDP)
    }
    assert known(A) | known(B) <= {"198.51.100.233", "198.51.100.234", "2001:db8:c106::1", "2001:db8:c106::2"}


def test_with_full_neighbor_tables_an_unanswered_probe_is_an_error(
    spaces: tuple[Space, Space], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = count()
    monkeypatch.setattr(NeighborTables, "overflows", lambda _: next(counted))
    monkeypatch.setattr(prober, "RETRY_DELAYS", ())
    with probing(spaces) as (made, sent):
        silent = Probe(sent[0].sockets, "198.51.100.238", 9)
        made.send([*sent, silent], DEFAULT_TIMEOUT)

    assert Outcome.ERROR is silent.outcome
    assert "full neighbor table dropped" in silent.detail
    assert Outcome.ACCEPTED is sent[0].outcome


def test_with_a_loss_an_unanswered_arrival_is_an_error(spaces: tuple[Space, Space]) -> None:
    with probing(spaces) as (_, sent):
        asked, told = sent[0], sent[TRIED]
        for probe in (asked, told):
            probe.arrived = (probe.target,) if probe.target else ()
            probe_probe.set_outcome(probe, "packets were lost")

    assert [Protocol.TCP, Protocol.UDP] == [asked.protocol, told.protocol]
    assert [Outcome.ERROR, Outcome.ARRIVED] == [asked.outcome, told.outcome]


def test_a_packet_that_fails_does_not_stop_the_batch(spaces: tuple[Space, Space]) -> None:
    with probing(spaces) as (made, sent):
        first = sent[0]
        many = [Probe(first.sockets, first.address, first.port, first.target) for _ in range(3 * mmsg.BATCH_SIZE + 3)]
        nowhere = Probe(first.sockets, "192.0.2.1", 9)
        made.send([*many, nowhere], DEFAULT_TIMEOUT)

    assert {Outcome.ACCEPTED} == {probe.outcome for probe in many}
    assert Outcome.UNREACHABLE is nowhere.outcome
    assert nowhere.detail.startswith("no route")


def test_a_packet_that_the_kernel_refuses_delays_no_other(spaces: tuple[Space, Space]) -> None:
    rules = ["-A", "OUTPUT", "-p", "tcp", "-d", "198.51.100.234", "--dport", "9", "-j", "DROP"]
    ip("netns", "exec", A, "iptables", "--wait", *rules)
    with probing(spaces) as (made, sent):
        dropped = [Probe(sent[0].sockets, "198.51.100.234", 9, sent[0].target) for _ in range(2)]
        mixed = [dropped[0], *sent[:TRIED], dropped[1]]
        made.send(mixed, DEFAULT_TIMEOUT)

    assert {(Outcome.UNREACHABLE, "the sender's own firewall dropped it")} == {(s.outcome, s.detail) for s in dropped}
    assert {Outcome.ACCEPTED} == {probe.outcome for probe in sent[:TRIED]}


def test_a_failed_route_lookup_does_not_affect_the_next(spaces: tuple[Space, Space]) -> None:
    """A socket keeps the scope of a failed connect(2) to a link-local address."""
    nowhere, own = ("fe80::77", "a link that went"), ("2001:db8:c106::1", "")
    with netns.inside(spaces[0].descriptor):
        found = probe_sockets._source_routes([nowhere, own], {nowhere[1]: 99})  # noqa: SLF001  # in this order

    assert isinstance(found[nowhere], OSError)
    assert isinstance(found[own], SourceRoute)
