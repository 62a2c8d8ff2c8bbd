"""Sends the probes of many network namespaces at once, from one thread, and hears where they arrive.

A TCP probe sends SYN and never completes the handshake: the namespace's kernel, which knows no such
connection, answers a SYN-ACK with RST by itself, and the service's `accept` never sees anything.
A UDP probe is a datagram that is seen to arrive or not; see `guard` for why no service sees it.

Rule: silence is what remains after a second, later probe, and only if no packet was lost on our side.
"""

from __future__ import annotations

import errno
import os
import random
import secrets
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Final, Self

from cloison import guard, packet, segment
from cloison.model import Protocol, version_of
from cloison.ours import announcing
from cloison.outcome import Outcome
from cloison.posts import Ports, Post, Run, Way, post, unresolved
from cloison.shots import Shot, reason, settle

MANY: Final = 1000
"""Probes that are worth more than one thread."""
PAUSES: Final = (0.5, 5.5, 5.5)
"""Seconds before each further try: the kernel forgets a neighbour that it has not heard of for five."""
A_MOMENT: Final = 0.001
"""Seconds to wait for a packet while probes are still being sent."""
SMALLEST_TOKEN: Final = 1024
READ: Final = 256
"""Bytes of a packet that are read: all headers, and what an unreachable quotes of a probe."""
READERS: Final = {
    Protocol.TCP: packet.read_tcp,
    Protocol.UDP: packet.read_udp,
    Protocol.ICMP: packet.read_icmp,
}
PINNED: Final = {4: (socket.IPPROTO_IP, 8), 6: (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)}
"""Where `sendmsg` takes the source address: IP_PKTINFO, which Python does not name, and its sister."""


class Prober:
    """Posts, and the loop that serves them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.token = SMALLEST_TOKEN + secrets.randbelow(0xFFFFFFFF - SMALLEST_TOKEN)
        self.unguarded = ""
        """Why datagrams cannot be kept from services, empty where they can."""
        self.posts: list[Post] = []
        self._stack = ExitStack()
        self._announce = self._stack.enter_context(announcing())
        self._epoll = self._stack.enter_context(select.epoll())
        self._readers: dict[int, tuple[Post, Protocol, int, socket.socket]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def post(self, name: str, descriptor: int, stand_ins: Ports = ()) -> Post:
        """Take up a post in a namespace; its sockets close with the prober, the descriptor stays the caller's.

        Raises OSError when the namespace cannot be entered, or somebody listens on a port of `stand_ins`.
        """
        made = post(self._stack, name, descriptor, Run(self.token, self._announce), stand_ins)
        for version, tongue in made.tongues.items():
            for protocol, raw in tongue.raw.items():
                self._readers[raw.fileno()] = (made, protocol, version, raw)
                self._epoll.register(raw, select.EPOLLIN)
        self.posts.append(made)
        return made

    def guard(self) -> None:
        """Keep the datagrams of all posts from the services of all posts, until the prober closes."""
        try:
            self._stack.callback(os.close, guard.everywhere(self.token))
            loaded = guard.program({port for made in self.posts for port in made.sending_ports})
            self._stack.callback(os.close, loaded)
            for made in self.posts:
                self._stack.callback(os.close, guard.attached(loaded, made.descriptor))
                made.is_guarded = True
        except OSError as error:
            self.unguarded = f"this kernel cannot keep a datagram from a service ({error.strerror})"

    def fire(self, shots: Sequence[Shot], patience: float) -> None:
        """Send all shots and settle each one; `patience` is how long to wait for silence, in seconds, in all.

        Afterwards every shot has an outcome.
        """
        _learn(shots)
        lost, untracked = self._losses()
        numbered = dict(zip(_numbers(), shots, strict=False))
        self._round([*numbered.items()], numbered, patience / 2)
        crowded = self._confirm(numbered, patience / 2)
        self._receive(numbered, 0)  # what arrived before the last answer was sent
        lost_since, untracked_since = self._losses()
        lost = {post: count - lost[post] for post, count in lost_since.items()}
        for shot in shots:
            own = lost[shot.post] + (lost[shot.target] if shot.target else 0)
            settle(shot, reason(own, untracked_since - untracked, crowded))

    def _confirm(self, numbered: dict[int, Shot], seconds: float) -> int:
        """Try what is silent once more, and again while the kernel drops packets because it knows too many neighbours.

        Returns how many it dropped in the last round: the table is the machine's, and old entries make room.
        """
        crowded = 0
        for pause in (0, *PAUSES):
            time.sleep(pause)
            before = unresolved()
            waiting = [(n, shot) for n, shot in numbered.items() if not (shot.is_over or shot.is_a_hint)]
            self._round(waiting, numbered, seconds)
            crowded = unresolved() - before
            if not crowded:
                break
        return crowded

    def _losses(self) -> tuple[dict[Post, int], int]:
        """Return what each post has lost, and what no namespace on the way had room to track."""
        return {made: made.lost() for made in self.posts}, sum(made.untracked() for made in self.posts)

    def _round(self, waiting: list[tuple[int, Shot]], numbered: dict[int, Shot], seconds: float) -> None:
        random.shuffle(waiting)  # whatever a burst does to its last ones, it does to others in the next round
        # The kernel's part of a send lets other threads run, so as many processors as there are share it.
        hands = os.cpu_count() or 1 if len(waiting) > MANY else 1
        with ThreadPoolExecutor(hands) as pool:
            sending = [pool.submit(self._send_all, waiting[hand::hands]) for hand in range(hands)]
            while not all(share.done() for share in sending):
                self._receive(numbered, A_MOMENT)
        for share in sending:
            share.result()
        deadline = self.clock() + seconds
        while (left := deadline - self.clock()) > 0 and not all(shot.is_over for _, shot in waiting):
            if self._receive(numbered, left):
                # While answers still trickle in, the machine is slow, and silence is not silence yet.
                deadline = max(deadline, self.clock() + seconds / 2)

    def _send_all(self, waiting: list[tuple[int, Shot]]) -> None:
        for number, shot in waiting:
            self._send(number, shot)

    def _send(self, number: int, shot: Shot) -> None:
        way = shot.post.ways[shot.address, shot.at]
        shot.came_back, shot.detail = None, ""
        if isinstance(way, OSError):
            shot.came_back = Outcome.UNREACHABLE
            shot.detail = f"no route ({errno.errorcode.get(way.errno or 0, 'no reason told')})"
            return
        try:
            SENDERS[shot.protocol](shot, way, number, self.token)
        except OSError as error:
            shot.came_back, shot.detail = SEND_ERRORS.get(error.errno or 0, (Outcome.ERROR, str(error)))

    def _receive(self, numbered: dict[int, Shot], seconds: float) -> bool:
        """Read what has come, waiting `seconds` for the first packet; return whether any came."""
        ready = self._epoll.poll(seconds)
        for descriptor, _ in ready:
            made, protocol, version, raw = self._readers[descriptor]
            read = READERS[protocol]
            with suppress(BlockingIOError):
                while True:
                    message = read(version, raw.recv(READ))
                    shot = numbered.get(message.number) if message else None
                    if message and shot:
                        _note(message, shot, made)
        return bool(ready)


def _note(message: packet.Message, shot: Shot, made: Post) -> None:
    match message:
        case packet.Arrival():
            if made not in shot.arrived:
                shot.arrived = (*shot.arrived, made)
        case packet.Answer(accepted=accepted) if made is shot.post:
            shot.came_back = Outcome.ACCEPTED if accepted else shot.came_back or Outcome.REFUSED
        case packet.Rejection(reason=reason) if made is shot.post and not shot.came_back:
            shot.came_back, shot.detail = Outcome.UNREACHABLE, reason


def _send_syn(shot: Shot, way: Way, number: int, token: int) -> None:
    # The checksum covers the source address, so the kernel must use the one it named before.
    version = version_of(shot.address)
    data = segment.syn((shot.post.port, shot.port), number, token, way.pseudo)
    _raw(shot, version, Protocol.TCP).sendmsg([data], [(*PINNED[version], way.pinned)], 0, _to(shot, version, way, 0))


def _send_datagram(shot: Shot, way: Way, number: int, token: int) -> None:
    version = version_of(shot.address)
    sender = shot.post.tongues[version].sender
    sender.sendto(segment.payload(number, token), _to(shot, version, way, shot.port))


def _send_echo(shot: Shot, way: Way, number: int, token: int) -> None:
    version = version_of(shot.address)
    _raw(shot, version, Protocol.ICMP).sendto(segment.echo(version, number, token), _to(shot, version, way, 0))


SENDERS: Final = {Protocol.TCP: _send_syn, Protocol.UDP: _send_datagram, Protocol.ICMP: _send_echo}


def _raw(shot: Shot, version: int, protocol: Protocol) -> socket.socket:
    return shot.post.tongues[version].raw[protocol]


def _to(shot: Shot, version: int, way: Way, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    return (shot.address, port) if version == 4 else (shot.address, port, 0, way.scope)  # noqa: PLR2004  # of IP


SEND_ERRORS: Final = {
    errno.EPERM: (Outcome.UNREACHABLE, "the sender's own firewall dropped it"),
    errno.ENETUNREACH: (Outcome.UNREACHABLE, "network unreachable"),
    errno.EHOSTUNREACH: (Outcome.UNREACHABLE, "host unreachable"),
    errno.EACCES: (Outcome.UNREACHABLE, "prohibited route"),
}
"""What the kernel says when it will not send: https://man7.org/linux/man-pages/man7/ip.7.html

EINVAL is not among them: whether there is a route was asked before, so it says that there is no room
for another neighbour (ip6_finish_output2 in net/ipv6/ip6_output.c)."""


def _learn(shots: Iterable[Shot]) -> None:
    """Have every post learn its ways, and every shot in a version of IP that its post does not speak come back."""
    wanted: dict[Post, set[tuple[str, str]]] = {}
    for shot in shots:
        wanted.setdefault(shot.post, set()).add((shot.address, shot.at))
    for made, ways in wanted.items():
        made.learn(ways)


def _numbers() -> Iterator[int]:
    """Yield random 32-bit numbers, none twice."""
    dice = random.Random(secrets.randbits(128))  # noqa: S311  # nobody can guess the seed
    seen: set[int] = set()
    while True:
        number = dice.getrandbits(32)
        if number not in seen:
            seen.add(number)
            yield number
