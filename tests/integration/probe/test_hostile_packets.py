"""A namespace that sends packets without end neither prolongs a proof nor gets a packet into its result."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cloison.linux import netns, pyroute
from cloison.model.outcome import Outcome
from cloison.probe.probe import Probe
from cloison.probe.prober import Prober

PAUSE = 0.001
TIMEOUT = 0.4
UNREACHABLE, ECHO = 3, 8
MIN_FLOOD = 50


def checksum(data: bytes) -> int:
    """Return the internet checksum of data (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return ~(total % 0xFFFF) & 0xFFFF


def unreachable() -> bytes:
    """Return an ICMP port unreachable that quotes a SYN between two ports of others."""
    quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, bytes([127, 0, 0, 1]), bytes([127, 0, 0, 1]))
    quoted += struct.pack("!HHI", 9, 80, 12345)
    head = struct.pack("!BBHI", UNREACHABLE, 3, 0, 0)
    return struct.pack("!BBHI", UNREACHABLE, 3, checksum(head + quoted), 0) + quoted


def syn() -> bytes:
    """Return a SYN to a port on which nothing listens."""
    return struct.pack("!HHIIBBHHH", 9, 81, 7, 0, 5 << 4, 2, 1024, 0, 0)


@pytest.fixture
def namespace() -> Iterator[int]:
    """A network namespace with nothing but its loopback interface."""
    descriptor = netns.new()
    try:
        with netns.inside(descriptor), pyroute.iproute() as route:
            route.link("set", index=route.link_lookup(ifname="lo")[0], state="up")
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def flood(descriptor: int) -> Iterator[list[int]]:
    """Send about a thousand ICMP errors and SYNs a second inside a namespace; yield a list with a number for each."""
    with netns.inside(descriptor):
        icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    ended, sent = threading.Event(), list[int]()

    def send() -> None:
        while not ended.wait(PAUSE):
            icmp.sendto(unreachable(), ("127.0.0.1", 0))
            tcp.sendto(syn(), ("127.0.0.1", 0))
            sent.append(2)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        while sum(sent) < MIN_FLOOD:  # a loaded machine takes its time to begin
            time.sleep(PAUSE)
        yield sent
    finally:
        ended.set()
        thread.join()
        icmp.close()
        tcp.close()


def test_a_flood_of_packets_prolongs_no_wait(namespace: int) -> None:
    with flood(namespace) as sent, Prober() as prober:
        sockets = prober.open_sockets("hostile", namespace)
        own = Probe(sockets, "127.0.0.1", sockets.port, sockets)
        lost = Probe(sockets, "127.0.0.2", 9, protocol=own.protocol)
        canary = Probe(sockets, "127.0.0.1", next(iter(sockets.canaries.values())), sockets)
        start = time.monotonic()
        prober.send([own, lost, canary], TIMEOUT)
        seconds = time.monotonic() - start

    assert sum(sent) > MIN_FLOOD
    assert seconds < 5 * TIMEOUT + 1
    assert Outcome.ACCEPTED is canary.outcome
    assert Outcome.REFUSED in (own.outcome, lost.outcome)


def test_a_deadline_ends_the_probes_and_what_is_open_is_an_error(namespace: int) -> None:
    with Prober() as prober:
        sockets = prober.open_sockets("quiet", namespace)
        probe = Probe(sockets, "127.0.0.1", 9, sockets)
        prober.deadline, prober.deadline_reason = prober.clock(), "the proof's deadline of 1 s passed"
        prober.send([probe], 60)

    assert (Outcome.ERROR, "the proof's deadline of 1 s passed") == (probe.outcome, probe.detail)


def test_a_raw_socket_receives_nothing_of_others(namespace: int) -> None:
    with flood(namespace) as sent, Prober() as prober:
        sockets = prober.open_sockets("hostile", namespace)
        while sum(sent) < 100:
            time.sleep(PAUSE)
        queued = [raw for family in sockets.per_family.values() for raw in family.raw.values() if _has_packet(raw)]

    assert [] == queued


def _has_packet(raw: socket.socket) -> bool:
    try:
        raw.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True
