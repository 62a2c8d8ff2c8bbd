"""Sends the probes of many network namespaces at once from two threads, and receives answers and arrivals in a third.

A TCP probe is a SYN, and the handshake is never completed: the sender's kernel has no socket for the SYN-ACK and
answers it with RST, so accept(2) of the service returns nothing. A UDP probe is a datagram that arrives in the
target's namespace or not; `udp_guard` keeps it from the service.

Input: probes. Output: the same probes with their outcomes.
Rule: a probe is silent only if a second, later probe got no answer either and no packet was lost. While the second
probe is in flight, no neighbor entry is deleted.
"""

from __future__ import annotations

import errno
import os
import random
import secrets
import select
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final, Self

from cloison.linux import mmsg
from cloison.linux.mmsg import ReceiveBatch, SendBatch
from cloison.linux.neighbor_table import NeighborTables
from cloison.model.flow import Protocol
from cloison.model.outcome import Outcome
from cloison.probe import parse as probe_parse
from cloison.probe import udp_guard
from cloison.probe.encode import ENCODERS, LAYOUTS
from cloison.probe.probe import Probe, loss_reason, set_outcome
from cloison.probe.schedule import NumberedProbe, send_order
from cloison.probe.socket_registry import registration
from cloison.probe.sockets import Ports, ProbeRun, ProbeSockets, SourceRoute, open_probe_sockets, unresolved_discards

RETRY_DELAYS: Final = (0.5, 5.5, 5.5)
"""Seconds before each further try: the kernel may evict a neighbor entry that was not used for five seconds."""
GATHER_SECONDS: Final = 0.005
"""Seconds between two reads while probes are still being sent."""
MIN_TOKEN: Final = 1024
PARSERS: Final = {
    Protocol.TCP: probe_parse.read_tcp,
    Protocol.UDP: probe_parse.read_udp,
    Protocol.ICMP: probe_parse.read_icmp,
}
WINDOW: Final = 512
"""Probes after which the usage of the neighbor tables is read: each probe may add several entries."""
TRANSIT_SECONDS: Final = 0.01
"""Seconds in which a sent packet reaches its namespace on a machine that is not busy."""
SendBatches = Mapping[tuple[int, Protocol], SendBatch]
SENDER_THREADS: Final = 2
"""Threads that send at once: sendmmsg(2) delivers a packet to the other namespace itself, without Python's GIL."""


class Prober:
    """The probe sockets of all namespaces, and the loops that send over them and receive from them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.deadline = float("inf")
        """When the proof ends at the latest, on `clock`: a probe without an answer then has the outcome ERROR."""
        self.deadline_reason = "the proof's deadline passed"
        """The sentence about it."""
        self.token = MIN_TOKEN + secrets.randbelow(0xFFFFFFFF - MIN_TOKEN)
        self.unguarded_reason = ""
        """Why `udp_guard` could not be attached, empty if it is."""
        self.probe_sockets: list[ProbeSockets] = []
        self._stack = ExitStack()
        self._register = self._stack.enter_context(registration())
        self._epoll = self._stack.enter_context(select.epoll())
        self._readers: dict[int, tuple[ProbeSockets, Protocol, int]] = {}
        self._batches: list[SendBatches] = [
            {kind: SendBatch(*sizes) for kind, sizes in LAYOUTS.items()} for _ in range(SENDER_THREADS)
        ]
        self._receive_batch = ReceiveBatch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open_sockets(self, name: str, descriptor: int, stand_ins: Ports = ()) -> ProbeSockets:
        """Open probe sockets in a namespace; the prober closes them, and the caller closes `descriptor`.

        Raises OSError if the namespace cannot be entered, or a port of `stand_ins` is in use.
        """
        sockets = open_probe_sockets(self._stack, name, descriptor, ProbeRun(self.token, self._register), stand_ins)
        for version, family_sockets in sockets.per_family.items():
            for protocol, raw in family_sockets.raw.items():
                self._readers[raw.fileno()] = (sockets, protocol, version)
                self._epoll.register(raw, select.EPOLLIN)
        self.probe_sockets.append(sockets)
        return sockets

    def guard(self) -> None:
        """Attach `udp_guard` to every namespace until the prober closes, so that no service receives a datagram."""
        try:
            self._stack.callback(os.close, udp_guard.attach_token_filter(self.token))
            loaded = udp_guard.load_port_filter(
                {port for sockets in self.probe_sockets for port in sockets.sending_ports}
            )
            self._stack.callback(os.close, loaded)
            for sockets in self.probe_sockets:
                self._stack.callback(os.close, udp_guard.attach(loaded, sockets.descriptor))
                sockets.is_guarded = True
        except OSError as error:
            self.unguarded_reason = f"this kernel cannot keep a probe's datagram from a service ({error.strerror})"

    def send(self, probes: Sequence[Probe], timeout: float) -> None:
        """Send all probes and set the outcome of each; `timeout` is the time to wait for answers in all, in seconds."""
        _resolve_routes(probes)
        lost, conntrack_drops = self._losses()
        probes_by_id = _numbered(probes)
        with NeighborTables(self.probe_sockets) as neighbor_tables:
            first = [item for item in probes_by_id.items() if not item[1].is_supplementary]
            self._send_round(first, probes_by_id, timeout / 2, neighbor_tables, keep_entries=False)
            neighbor_drops = self._retry_silent(probes_by_id, timeout / 2, neighbor_tables)
            neighbor_tables.evict_if_grown()
        self._receive(probes_by_id, 0)  # the arrivals that are still queued
        lost_since, conntrack_drops_since = self._losses()
        lost = {sockets: count - lost[sockets] for sockets, count in lost_since.items()}
        conntrack_dropped = conntrack_drops_since - conntrack_drops
        late = self.deadline_reason if self.clock() >= self.deadline else ""
        for probe in probes:
            socket_drops = lost[probe.sockets] + (lost[probe.target] if probe.target else 0)
            set_outcome(probe, late or loss_reason(socket_drops, conntrack_dropped, neighbor_drops))

    def _retry_silent(self, probes_by_id: dict[int, Probe], seconds: float, neighbor_tables: NeighborTables) -> int:
        """Send unanswered probes once more, and again while full neighbor tables make the kernel drop packets.

        Return how many packets it dropped in the last round. Between rounds the kernel evicts old entries.
        """
        neighbor_drops = 0
        for pause in (0, *RETRY_DELAYS):
            if self.clock() + pause >= self.deadline:
                break
            time.sleep(pause)
            before = unresolved_discards() + neighbor_tables.overflows()
            pending = [item for item in probes_by_id.items() if item[1].needs_retry]
            self._send_round(pending, probes_by_id, seconds, neighbor_tables, keep_entries=True)
            neighbor_drops = unresolved_discards() + neighbor_tables.overflows() - before
            if not neighbor_drops:
                break
        return neighbor_drops

    def _losses(self) -> tuple[dict[ProbeSockets, int], int]:
        """Return the packets that the sockets of each namespace dropped, and those that connection tracking dropped."""
        return {sockets: sockets.lost() for sockets in self.probe_sockets}, sum(
            sockets.conntrack_drops() for sockets in self.probe_sockets
        )

    def _send_round(
        self,
        pending: Sequence[NumberedProbe],
        probes_by_id: dict[int, Probe],
        seconds: float,
        neighbor_tables: NeighborTables,
        *,
        keep_entries: bool,
    ) -> None:
        """Send probes and receive packets, until every probe has an answer or none came for `seconds`.

        With `keep_entries` no neighbor entry is deleted while a packet may be in flight: if the tables fill, sending
        pauses until the answers have come. Without it, such a packet may be lost.
        """
        remaining = send_order(pending)
        while remaining and self.clock() < self.deadline:
            with ThreadPoolExecutor(1) as pool:  # the kernel's part of a send lets this thread read meanwhile
                sending = pool.submit(self._send_all, remaining, neighbor_tables, keep_entries=keep_entries)
                while not sending.done():
                    self._receive(probes_by_id, GATHER_SECONDS)
                    time.sleep(GATHER_SECONDS)
            sent = sending.result()
            self._await_replies(remaining[:sent], probes_by_id, seconds)
            remaining = remaining[sent:]
            if remaining:
                neighbor_tables.evict()

    def _await_replies(self, sent: Sequence[NumberedProbe], probes_by_id: dict[int, Probe], seconds: float) -> None:
        deadline = min(self.deadline, self.clock() + seconds)
        while (left := deadline - self.clock()) > 0 and not all(probe.is_final for _, probe in sent):
            if self._receive(probes_by_id, left):
                # Answers are still coming, so the machine is slow: wait longer before a probe counts as silent. Only
                # news about a probe of this run counts, and it ends: a packet that anybody else sends prolongs nothing.
                deadline = min(self.deadline, max(deadline, self.clock() + seconds / 2))

    def _send_all(
        self, pending: Sequence[NumberedProbe], neighbor_tables: NeighborTables, *, keep_entries: bool
    ) -> int:
        """Send probes and return how many: with `keep_entries`, those before the neighbor tables began to fill."""
        with ThreadPoolExecutor(SENDER_THREADS) as pool:
            for start in range(0, len(pending), WINDOW):
                if self.clock() >= self.deadline:
                    return start
                if start and neighbor_tables.are_filling():
                    if keep_entries:
                        return start
                    time.sleep(TRANSIT_SECONDS)
                    neighbor_tables.evict()
                window = pending[start : start + WINDOW]
                share = -(-len(window) // SENDER_THREADS)
                shares = [window[at : at + share] for at in range(0, len(window), share)]
                for _ in pool.map(self._send_share, shares, self._batches):
                    pass
        return len(pending)

    def _send_share(self, window: Iterable[NumberedProbe], batches: SendBatches) -> None:
        by_route: dict[tuple[ProbeSockets, int, Protocol], list[NumberedProbe]] = defaultdict(list)
        for probe_id, probe in window:
            route = probe.sockets.routes[probe.address, probe.local_address]
            probe.reply, probe.detail = None, ""
            if isinstance(route, SourceRoute):
                by_route[probe.sockets, route.version, probe.protocol].append((probe_id, probe))
            else:
                probe.reply = Outcome.UNREACHABLE
                probe.detail = f"no route ({errno.errorcode.get(route.errno or 0, 'unknown error')})"
        for (sender, version, protocol), probes in by_route.items():
            for first in range(0, len(probes), mmsg.BATCH_SIZE):
                batch = batches[version, protocol]
                self._send_batch(
                    sender.per_family[version].sender_socket(protocol), batch, probes[first : first + mmsg.BATCH_SIZE]
                )

    def _send_batch(self, sender_socket: socket.socket, batch: SendBatch, probes: Sequence[NumberedProbe]) -> None:
        """Encode and send probes of one namespace, IP version and protocol, at most `mmsg.BATCH_SIZE`."""
        protocol = probes[0][1].protocol
        write = ENCODERS[protocol]
        for at, (probe_id, probe) in enumerate(probes):
            write(batch.buffer, at * mmsg.SLOT_SIZE, probe, probe_id, self.token)
        for at, code in batch.send(sender_socket.fileno(), len(probes)):
            refused = probes[at][1]
            refused.reply, refused.detail = SEND_ERRORS.get(code, (Outcome.ERROR, os.strerror(code)))

    def _receive(self, probes_by_id: dict[int, Probe], seconds: float) -> bool:
        """Receive the packets that are queued, waiting `seconds` for the first; return whether one told something new.

        A packet that is not about a probe, or repeats what is known of one, is not new.
        """
        ready = self._epoll.poll(seconds, len(self._readers))
        has_news = False
        for descriptor, _ in ready:
            sockets, protocol, version = self._readers[descriptor]
            read = PARSERS[protocol]
            for data in self._receive_batch.read(descriptor):
                message = read(version, data)
                probe = probes_by_id.get(message.probe_id) if message else None
                if message and probe:
                    has_news = _record(message, probe, sockets) or has_news
        return has_news


def _record(message: probe_parse.Message, probe: Probe, sockets: ProbeSockets) -> bool:
    """Note a message in its probe, and return whether it is new; `sockets` are the probe sockets that received it."""
    known = (probe.reply, probe.arrived)
    match message:
        case probe_parse.Arrival(source=source):
            if sockets not in probe.arrived:
                probe.arrived = (*probe.arrived, sockets)
            if sockets is probe.target:
                probe.source = source
        case probe_parse.Reply(accepted=accepted) if sockets is probe.sockets:
            probe.reply = Outcome.ACCEPTED if accepted else probe.reply or Outcome.REFUSED
        case probe_parse.IcmpUnreachable(reason=reason) if sockets is probe.sockets and not probe.reply:
            probe.reply, probe.detail = Outcome.UNREACHABLE, reason
    return (probe.reply, probe.arrived) != known


SEND_ERRORS: Final = {
    errno.EPERM: (Outcome.UNREACHABLE, "the sender's own firewall dropped it"),
    errno.ENETUNREACH: (Outcome.UNREACHABLE, "network unreachable"),
    errno.EHOSTUNREACH: (Outcome.UNREACHABLE, "host unreachable"),
    errno.EACCES: (Outcome.UNREACHABLE, "prohibited route"),
}
"""The meaning of an errno of sendmmsg(2): https://man7.org/linux/man-pages/man7/ip.7.html

EINVAL is missing: a route exists, as it was looked up before, so EINVAL means that the neighbor table is full
(ip6_finish_output2 in net/ipv6/ip6_output.c)."""


def _resolve_routes(probes: Iterable[Probe]) -> None:
    """Look up the routes of all probes, in the namespace of each sender."""
    wanted: dict[ProbeSockets, set[tuple[str, str]]] = {}
    for probe in probes:
        wanted.setdefault(probe.sockets, set()).add((probe.address, probe.local_address))
    for sockets, addresses in wanted.items():
        sockets.resolve_routes(addresses)


def _numbered(probes: Iterable[Probe]) -> dict[int, Probe]:
    """Return the probes by random 32-bit numbers."""
    generator = random.Random(secrets.randbits(128))  # noqa: S311  # the seed is secret
    numbered: dict[int, Probe] = {}
    for probe in probes:
        while (probe_id := generator.getrandbits(32)) in numbered:
            pass
        numbered[probe_id] = probe
    return numbered
