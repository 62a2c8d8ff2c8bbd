"""How long the prober waits: only news about a probe of its own run prolongs it. The clock and the kernel are fakes."""

from __future__ import annotations

import select
import struct
from collections.abc import Iterator
from typing import cast

import pytest

from cloison.model.flow import Protocol
from cloison.model.outcome import Outcome
from cloison.probe.probe import Probe
from cloison.probe.prober import Prober
from cloison.probe.sockets import ProbeSockets

SECONDS = 1.0
STEP = 0.125
"""Seconds between two packets of the flood: eight a second once kept a proof alive for ever."""
OWN, OTHER = 7, 8
DESCRIPTOR = 5


def unreachable(probe_id: int) -> bytes:
    """Return an ICMP port unreachable, with its IP header, that quotes a SYN with this number."""
    quoted = bytes([0x45]) + bytes(8) + bytes([6]) + bytes(10) + struct.pack("!HHI", 40000, 80, probe_id)
    return bytes([0x45]) + bytes(19) + struct.pack("!BBHI", 3, 3, 0, 0) + quoted


class Flood:
    """A kernel in which a packet comes every STEP seconds, for ever."""

    def __init__(self, packet: bytes) -> None:
        self.now, self.packet = 0.0, packet

    def clock(self) -> float:
        """The seconds that have passed."""
        return self.now

    def poll(self, seconds: float, _count: int) -> list[tuple[int, int]]:
        """Wait for the next packet: epoll_wait(2)."""
        self.now += max(0, min(seconds, STEP))
        if self.now > 100 * SECONDS:
            pytest.fail("the prober waits for ever")
        return [(DESCRIPTOR, select.EPOLLIN)]

    def read(self, _descriptor: int) -> Iterator[bytes]:
        """Yield the packet: recvmmsg(2)."""
        yield self.packet


def waited(packet: bytes, monkeypatch: pytest.MonkeyPatch, deadline: float = float("inf")) -> tuple[float, Probe]:
    """Return how long a prober waits for one probe while these packets come, and the probe."""
    flood = Flood(packet)
    with Prober(flood.clock) as prober:
        sockets = cast("ProbeSockets", object())
        probe = Probe(sockets, "192.0.2.1", 80)
        monkeypatch.setattr(prober, "_epoll", flood)
        monkeypatch.setattr(prober, "_receive_batch", flood)
        monkeypatch.setattr(prober, "_readers", {DESCRIPTOR: (sockets, Protocol.ICMP, 4)})
        prober.deadline = deadline
        prober._await_replies([(OWN, probe)], {OWN: probe}, SECONDS)  # noqa: SLF001  # its waiting is what is tested
    return flood.now, probe


def test_packets_about_probes_of_others_prolong_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, probe = waited(unreachable(OTHER), monkeypatch)

    assert (SECONDS, None) == (seconds, probe.reply)


def test_a_repeated_packet_about_an_own_probe_is_news_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, probe = waited(unreachable(OWN), monkeypatch)

    assert Outcome.UNREACHABLE is probe.reply
    assert SECONDS <= seconds <= 1.5 * SECONDS


def test_no_wait_goes_beyond_the_deadline_of_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0.5 == waited(unreachable(OTHER), monkeypatch, deadline=0.5)[0]
