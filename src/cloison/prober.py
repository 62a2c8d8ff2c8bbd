"""Sends half-open probes from many network namespaces at once, from one thread.

A post is a set of sockets inside one namespace. Sockets stay in the namespace in which they were
made, so one loop serves all posts. A probe sends SYN and never completes the handshake: the
namespace's kernel, which knows no such connection, answers a SYN-ACK with RST by itself, and the
service's `accept` never sees anything.

Rule: silence is what remains after a second, later SYN, and only if no packet was lost on our side.
"""

from __future__ import annotations

import errno
import secrets
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Self

from cloison import netns, segment
from cloison.outcome import Outcome

SO_ATTACH_FILTER: Final = 26
SO_MEMINFO: Final = 55
SO_RCVBUFFORCE: Final = 33
IP_PKTINFO: Final = 8
SOL_RAW: Final = 255
ICMP_FILTER: Final = 1
ONLY_UNREACHABLE: Final = ~(1 << segment.UNREACHABLE) & 0xFFFFFFFF
RECEIVE_BUFFER: Final = 8 << 20
BURST: Final = 32
"""Probes sent before answers are read again: a veth queues no more than 1000 packets."""
BACKLOG: Final = 128
SMALLEST_TOKEN: Final = 1024
READ: Final = 2048


@dataclass(slots=True, eq=False)
class Post:
    """Sockets in one namespace. `canary_port` is the port of a socket of our own that listens there."""

    name: str
    descriptor: int
    raw: socket.socket
    icmp: socket.socket
    source_port: int
    canary_port: int
    routes: dict[str, str | OSError] = field(default_factory=dict)

    def lost(self) -> int:
        """Return how many packets this post's socket had no room for."""
        return int(struct.unpack("9I", self.raw.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[8])

    def learn_routes(self, addresses: Iterable[str]) -> None:
        """Ask the namespace's kernel which source address it would use for each destination. No packet is sent."""
        unknown = {address for address in addresses if address not in self.routes}
        if unknown:
            with netns.inside(self.descriptor):
                self.routes |= {address: _source(address) for address in unknown}


@dataclass(slots=True, eq=False)
class Shot:
    """One probe and what became of it. `target` is the post where it should end, None where we hold none."""

    post: Post
    address: str
    port: int
    target: Post | None = None
    came_back: Outcome | None = None
    """What the sender got; with it, a second SYN could tell nothing more."""
    detail: str = ""
    arrived: set[Post] = field(default_factory=set)
    """The posts inside which the probe was seen."""
    outcome: Outcome = Outcome.ERROR
    """What it comes to, once it was fired."""


class Prober:
    """Posts, and the loop that serves them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.token = SMALLEST_TOKEN + secrets.randbelow(0x10000 - SMALLEST_TOKEN)
        self._stack = ExitStack()
        self._epoll = self._stack.enter_context(select.epoll())
        self._readers: dict[int, tuple[Post, socket.socket]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def post(self, name: str, descriptor: int, stand_ins: Iterable[int] = ()) -> Post:
        """Take up a post in a namespace; its sockets close with the prober, the descriptor stays the caller's.

        Canaries listen on the ports `stand_ins` as well: they stand in for services that are not there.
        Raises OSError when the namespace cannot be entered, or somebody listens on such a port.
        """
        with netns.inside(descriptor), ExitStack() as opened:
            for port in stand_ins:  # before the kernel chooses ports of its own
                opened.enter_context(_tcp(port)).listen(BACKLOG)
            reserved, canary, raw, icmp = (
                opened.enter_context(made) for made in (_tcp(), _tcp(), _raw_tcp(), _raw_icmp())
            )
            canary.listen(BACKLOG)
            ports = [made.getsockname()[1] for made in (reserved, canary)]
            _attach(raw, *segment.only_ours(ports[0], self.token))
            self._stack.push(opened.pop_all())
        post = Post(name, descriptor, raw, icmp, *ports)
        for reader in (raw, icmp):
            self._readers[reader.fileno()] = (post, reader)
            self._epoll.register(reader, select.EPOLLIN)
        return post

    def fire(self, shots: Sequence[Shot], patience: float) -> None:
        """Send all shots and settle each one; `patience` is how long to wait for silence, in seconds, in all.

        Afterwards every shot has an outcome.
        """
        posts = {post for shot in shots for post in (shot.post, shot.target) if post}
        lost = {post: post.lost() for post in posts}
        for shot in shots:
            shot.post.learn_routes((shot.address,))
        numbered = dict(zip(_numbers(), shots, strict=False))
        for _ in range(2):
            waiting = {number: shot for number, shot in numbered.items() if not shot.came_back}
            self._round(waiting, numbered, patience / 2)
        self._receive(numbered, 0)  # what arrived before the last answer was sent
        for shot in shots:
            _settle(shot, lost=sum(post.lost() - lost[post] for post in (shot.post, shot.target) if post))

    def _round(self, waiting: dict[int, Shot], numbered: dict[int, Shot], seconds: float) -> None:
        for count, (number, shot) in enumerate(waiting.items(), start=1):
            self._send(number, shot)
            if count % BURST == 0:
                self._receive(numbered, 0)
        deadline = self.clock() + seconds
        while (left := deadline - self.clock()) > 0 and not all(shot.came_back for shot in waiting.values()):
            if self._receive(numbered, left):
                # While answers still trickle in, the machine is slow, and silence is not silence yet.
                deadline = max(deadline, self.clock() + seconds / 2)

    def _send(self, number: int, shot: Shot) -> None:
        post, source = shot.post, shot.post.routes[shot.address]
        if isinstance(source, OSError):
            shot.came_back = Outcome.UNREACHABLE
            shot.detail = f"no route ({errno.errorcode.get(source.errno or 0, 'no reason told')})"
            return
        data = segment.syn((source, post.source_port), (shot.address, shot.port), number, self.token)
        # The checksum covers the source address, so the kernel must use the one it named before.
        pinned = struct.pack("=i4s4s", 0, socket.inet_aton(source), bytes(4))
        try:
            post.raw.sendmsg([data], [(socket.IPPROTO_IP, IP_PKTINFO, pinned)], 0, (shot.address, 0))
        except OSError as error:
            shot.came_back, shot.detail = SEND_ERRORS.get(error.errno or 0, (Outcome.ERROR, str(error)))

    def _receive(self, numbered: dict[int, Shot], seconds: float) -> bool:
        """Read what has come, waiting `seconds` for the first packet; return whether any came."""
        ready = self._epoll.poll(seconds)
        for descriptor, _ in ready:
            post, reader = self._readers[descriptor]
            with suppress(BlockingIOError):
                while True:
                    self._read(post, reader, numbered)
        return bool(ready)

    def _read(self, post: Post, reader: socket.socket, numbered: dict[int, Shot]) -> None:
        packet = reader.recv(READ)
        parse = segment.read_tcp if reader is post.raw else segment.read_icmp
        message = parse(packet)
        shot = numbered.get(message.sequence) if message else None
        if shot is None:
            return
        match message:
            case segment.Arrival():
                shot.arrived.add(post)
            case segment.Answer(accepted=accepted) if post is shot.post:
                shot.came_back = Outcome.ACCEPTED if accepted else shot.came_back or Outcome.REFUSED
            case segment.Rejection(reason=reason) if post is shot.post and not shot.came_back:
                shot.came_back, shot.detail = Outcome.UNREACHABLE, reason


SEND_ERRORS: Final = {
    errno.EPERM: (Outcome.UNREACHABLE, "the sender's own firewall dropped it"),
    errno.ENETUNREACH: (Outcome.UNREACHABLE, "network unreachable"),
    errno.EHOSTUNREACH: (Outcome.UNREACHABLE, "host unreachable"),
    errno.EACCES: (Outcome.UNREACHABLE, "prohibited route"),
    errno.EINVAL: (Outcome.UNREACHABLE, "blackhole route"),
}
"""What the kernel says when it will not send: https://man7.org/linux/man-pages/man7/ip.7.html"""


def _settle(shot: Shot, *, lost: int) -> None:
    """Say what it comes to: an acceptance, else an arrival, else what came back, else silence."""
    if shot.came_back is not Outcome.ACCEPTED and shot.target and shot.target in shot.arrived:
        shot.outcome = Outcome.ARRIVED
        shot.detail = f"seen inside {shot.target.name}, {shot.came_back or 'no answer'} came back"
    elif lost and shot.came_back is not Outcome.ACCEPTED:
        # What was lost may have been the arrival: even a refusal says nothing now.
        shot.outcome, shot.detail = Outcome.ERROR, f"{lost} packets were lost before they could be read"
    else:
        shot.outcome = shot.came_back or Outcome.SILENT


def _numbers() -> Iterator[int]:
    """Yield random 32-bit numbers, none twice."""
    seen: set[int] = set()
    while True:
        number = secrets.randbits(32)
        if number not in seen:
            seen.add(number)
            yield number


def _source(address: str) -> str | OSError:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError as error:
            return error
        return str(probe.getsockname()[0])


@contextmanager
def _tcp(port: int = 0) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.bind(("", port))
        yield made


@contextmanager
def _raw_tcp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as made:
        made.setblocking(False)  # noqa: FBT003  # the socket module's own signature
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        yield made


@contextmanager
def _raw_icmp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as made:
        made.setblocking(False)  # noqa: FBT003  # the socket module's own signature
        made.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", ONLY_UNREACHABLE))
        yield made


def _attach(raw: socket.socket, program: bytes, _owner: object) -> None:
    raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
