"""Sends the probes of many network namespaces at once, from two threads, and hears in another where they arrive.

A TCP probe sends SYN and never completes the handshake: the namespace's kernel, which knows no such
connection, answers a SYN-ACK with RST by itself, and the service's `accept` never sees anything.
A UDP probe is a datagram that is seen to arrive or not; see `guard` for why no service sees it.

Rule: silence is what remains after a second, later probe, and only if no packet was lost on our side. While that
second one is on its way, nothing is done to the kernel's tables.
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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final, Self

from cloison.linux import mmsg
from cloison.linux.mmsg import Catch, Volley
from cloison.linux.neighbor_table import Neighbours
from cloison.model.facts import Protocol
from cloison.model.outcome import Outcome
from cloison.probe import parse as probe_parse
from cloison.probe import udp_guard
from cloison.probe.encode import KINDS, WRITERS
from cloison.probe.probe import Shot, reason, settle
from cloison.probe.schedule import Numbered, ordered
from cloison.probe.socket_registry import announcing
from cloison.probe.sockets import Ports, Post, Run, Way, post, unresolved

PAUSES: Final = (0.5, 5.5, 5.5)
"""Seconds before each further try: the kernel forgets a neighbour that it has not heard of for five."""
A_MOMENT: Final = 0.005
"""Seconds in which packets gather while probes are still being sent."""
SMALLEST_TOKEN: Final = 1024
READERS: Final = {
    Protocol.TCP: probe_parse.read_tcp,
    Protocol.UDP: probe_parse.read_udp,
    Protocol.ICMP: probe_parse.read_icmp,
}
WINDOW: Final = 512
"""Probes after which the kernel's tables of neighbours are looked at: each may bring several entries."""
ON_THE_WAY: Final = 0.01
"""Seconds in which what was sent gets where it goes, on any machine that is not busy."""
Volleys = Mapping[tuple[int, Protocol], Volley]
SENDERS: Final = 2
"""Threads that send at once: the kernel leads a packet to its end while it takes it, which needs no Python."""


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
        self._readers: dict[int, tuple[Post, Protocol, int]] = {}
        self._volleys: list[Volleys] = [{kind: Volley(*sizes) for kind, sizes in KINDS.items()} for _ in range(SENDERS)]
        self._catch = Catch()

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
                self._readers[raw.fileno()] = (made, protocol, version)
                self._epoll.register(raw, select.EPOLLIN)
        self.posts.append(made)
        return made

    def guard(self) -> None:
        """Keep the datagrams of all posts from the services of all posts, until the prober closes."""
        try:
            self._stack.callback(os.close, udp_guard.everywhere(self.token))
            loaded = udp_guard.program({port for made in self.posts for port in made.sending_ports})
            self._stack.callback(os.close, loaded)
            for made in self.posts:
                self._stack.callback(os.close, udp_guard.attached(loaded, made.descriptor))
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
        with Neighbours(self.posts) as neighbours:
            first = [item for item in numbered.items() if not item[1].is_a_hint]
            self._round(first, numbered, patience / 2, neighbours, steadily=False)
            crowded = self._confirm(numbered, patience / 2, neighbours)
            neighbours.leave()
        self._receive(numbered, 0)  # what arrived before the last answer was sent
        lost_since, untracked_since = self._losses()
        lost = {post: count - lost[post] for post, count in lost_since.items()}
        for shot in shots:
            own = lost[shot.post] + (lost[shot.target] if shot.target else 0)
            settle(shot, reason(own, untracked_since - untracked, crowded))

    def _confirm(self, numbered: dict[int, Shot], seconds: float, neighbours: Neighbours) -> int:
        """Try what is silent once more, and again while the kernel drops packets because it knows too many neighbours.

        Returns how many it dropped in the last round: the table is the machine's, and old entries make room.
        """
        crowded = 0
        for pause in (0, *PAUSES):
            time.sleep(pause)
            before = unresolved() + neighbours.refusals()
            waiting = [item for item in numbered.items() if item[1].is_needed]
            self._round(waiting, numbered, seconds, neighbours, steadily=True)
            crowded = unresolved() + neighbours.refusals() - before
            if not crowded:
                break
        return crowded

    def _losses(self) -> tuple[dict[Post, int], int]:
        """Return what each post has lost, and what no namespace on the way had room to track."""
        return {made: made.lost() for made in self.posts}, sum(made.untracked() for made in self.posts)

    def _round(
        self,
        waiting: Sequence[Numbered],
        numbered: dict[int, Shot],
        seconds: float,
        neighbours: Neighbours,
        *,
        steadily: bool,
    ) -> None:
        """Send what waits and read what comes, until all is answered or silent for `seconds`.

        With `steadily` no neighbour is taken out while anything may be on its way: where the tables fill, silence is
        waited for in between. Without it a packet may be lost to that.
        """
        rest = ordered(waiting)
        while rest:
            with ThreadPoolExecutor(1) as pool:  # the kernel's part of a send lets this thread read meanwhile
                sending = pool.submit(self._send_all, rest, neighbours, steadily=steadily)
                while not sending.done():
                    self._receive(numbered, A_MOMENT)
                    time.sleep(A_MOMENT)
            sent = sending.result()
            self._await(rest[:sent], numbered, seconds)
            rest = rest[sent:]
            if rest:
                neighbours.forget()

    def _await(self, sent: Sequence[Numbered], numbered: dict[int, Shot], seconds: float) -> None:
        deadline = self.clock() + seconds
        while (left := deadline - self.clock()) > 0 and not all(shot.is_over for _, shot in sent):
            if self._receive(numbered, left):
                # While answers still trickle in, the machine is slow, and silence is not silence yet.
                deadline = max(deadline, self.clock() + seconds / 2)

    def _send_all(self, waiting: Sequence[Numbered], neighbours: Neighbours, *, steadily: bool) -> int:
        """Send shots; return how many were sent before the tables of neighbours began to fill, if `steadily`."""
        with ThreadPoolExecutor(SENDERS) as pool:
            for start in range(0, len(waiting), WINDOW):
                if start and neighbours.are_filling():
                    if steadily:
                        return start
                    time.sleep(ON_THE_WAY)
                    neighbours.forget()
                window = waiting[start : start + WINDOW]
                share = -(-len(window) // SENDERS)
                shares = [window[at : at + share] for at in range(0, len(window), share)]
                for _ in pool.map(self._send_share, shares, self._volleys):
                    pass
        return len(waiting)

    def _send_share(self, window: Iterable[Numbered], volleys: Volleys) -> None:
        alike: dict[tuple[Post, int, Protocol], list[Numbered]] = defaultdict(list)
        for number, shot in window:
            way = shot.post.ways[shot.address, shot.at]
            shot.came_back, shot.detail = None, ""
            if isinstance(way, Way):
                alike[shot.post, way.version, shot.protocol].append((number, shot))
            else:
                shot.came_back = Outcome.UNREACHABLE
                shot.detail = f"no route ({errno.errorcode.get(way.errno or 0, 'no reason told')})"
        for (sender, version, protocol), shots in alike.items():
            for first in range(0, len(shots), mmsg.AT_ONCE):
                room = volleys[version, protocol]
                self._send(sender.tongues[version].line(protocol), room, shots[first : first + mmsg.AT_ONCE])

    def _send(self, line: socket.socket, room: Volley, shots: Sequence[Numbered]) -> None:
        """Send shots of one kind."""
        protocol = shots[0][1].protocol
        write = WRITERS[protocol]
        for at, (number, shot) in enumerate(shots):
            write(room.bytes, at * mmsg.SLOT, shot, number, self.token)
        for at, code in room.send(line.fileno(), len(shots)):
            refused = shots[at][1]
            refused.came_back, refused.detail = SEND_ERRORS.get(code, (Outcome.ERROR, os.strerror(code)))

    def _receive(self, numbered: dict[int, Shot], seconds: float) -> bool:
        """Read what has come, waiting `seconds` for the first packet; return whether any came."""
        ready = self._epoll.poll(seconds, len(self._readers))
        for descriptor, _ in ready:
            made, protocol, version = self._readers[descriptor]
            read = READERS[protocol]
            for data in self._catch.read(descriptor):
                message = read(version, data)
                shot = numbered.get(message.number) if message else None
                if message and shot:
                    _note(message, shot, made)
        return bool(ready)


def _note(message: probe_parse.Message, shot: Shot, made: Post) -> None:
    match message:
        case probe_parse.Arrival():
            if made not in shot.arrived:
                shot.arrived = (*shot.arrived, made)
        case probe_parse.Answer(accepted=accepted) if made is shot.post:
            shot.came_back = Outcome.ACCEPTED if accepted else shot.came_back or Outcome.REFUSED
        case probe_parse.Rejection(reason=reason) if made is shot.post and not shot.came_back:
            shot.came_back, shot.detail = Outcome.UNREACHABLE, reason


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
