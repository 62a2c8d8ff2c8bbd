"""Asks the kernel of a namespace how it would send: from where, and over what. No packet is sent.

Layouts: linux/rtnetlink.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from cloison.linux import netlink
from cloison.model.facts import version_of

ROUTE, GET = 24, 26
BODY: Final = struct.Struct("=BBBBBBBBI")
"""An `rtmsg`: family, length of the destination, and what is not asked for."""
DESTINATION, LINK, GATEWAY, SOURCE, VIA = 1, 4, 5, 7, 18
"""RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC, and RTA_VIA, a gateway of the other version of IP."""
FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
AT_ONCE: Final = 64
"""Questions that are asked before answers are read; so many answers have room in a socket."""
Question = tuple[str, int]
"""An address, and the number of the link to use, 0 for whichever the kernel takes."""


class Route(NamedTuple):
    """How something would be sent: from which own address, over which link, and whether to a gateway."""

    source: str
    link: int
    has_gateway: bool


def routes(wanted: Sequence[Question]) -> list[Route | OSError]:
    """Return how this thread's namespace would send to each address, or why it cannot."""
    found: list[Route | OSError] = []
    with netlink.line() as asked:
        for start in range(0, len(wanted), AT_ONCE):
            questions = wanted[start : start + AT_ONCE]
            asked.send(b"".join(_question(number, *question) for number, question in enumerate(questions)))
            answers: dict[int, Route | OSError] = {}
            while len(answers) < len(questions):
                for head, content in netlink.read(asked):
                    answers[head.number] = _answer(head.kind, content)
            found += [answers[number] for number in range(len(questions))]
    return found


def _question(number: int, address: str, link: int) -> bytes:
    family = FAMILIES[version_of(address)]
    packed = socket.inet_pton(family, address)
    told = netlink.attribute(DESTINATION, packed) + (netlink.attribute(LINK, struct.pack("=I", link)) if link else b"")
    return netlink.message(GET, BODY.pack(family, 8 * len(packed), 0, 0, 0, 0, 0, 0, 0) + told, number=number)


def _answer(kind: int, content: memoryview) -> Route | OSError:
    if kind == netlink.FAILED and (refused := netlink.refusal(content)):
        return refused
    told = dict(netlink.attributes(content, BODY.size)) if kind == ROUTE else {}
    if SOURCE not in told or LINK not in told:
        return OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    link = int.from_bytes(told[LINK], sys.byteorder)
    return Route(socket.inet_ntop(content[0], told[SOURCE]), link, GATEWAY in told or VIA in told)
