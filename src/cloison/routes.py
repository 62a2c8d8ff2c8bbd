"""Asks the kernel of a namespace how it would send: from which of its own addresses. No packet is sent.

Layouts: linux/rtnetlink.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from typing import Final

from cloison import nlmsg
from cloison.model import version_of

ROUTE, GET = 24, 26
BODY: Final = struct.Struct("=BBBBBBBBI")
"""An `rtmsg`: family, length of the destination, and what is not asked for."""
DESTINATION, LINK, SOURCE = 1, 4, 7
"""RTA_DST, RTA_OIF, RTA_PREFSRC."""
FAMILIES: Final = {4: (socket.AF_INET, 32), 6: (socket.AF_INET6, 128)}
AT_ONCE: Final = 64
"""Questions that are asked before answers are read; so many answers have room in a socket."""
Question = tuple[str, int]
"""An address, and the number of the link to use, 0 for whichever the kernel takes."""


def sources(wanted: Sequence[Question]) -> list[str | OSError]:
    """Return from which of its addresses this thread's namespace would send to each address, or why it cannot."""
    found: list[str | OSError] = []
    with nlmsg.line() as asked:
        for start in range(0, len(wanted), AT_ONCE):
            questions = wanted[start : start + AT_ONCE]
            asked.send(b"".join(_question(number, *question) for number, question in enumerate(questions)))
            answers: dict[int, str | OSError] = {}
            while len(answers) < len(questions):
                for head, content in nlmsg.read(asked):
                    answers[head.number] = _answer(head.kind, content)
            found += [answers[number] for number in range(len(questions))]
    return found


def _question(number: int, address: str, link: int) -> bytes:
    family, bits = FAMILIES[version_of(address)]
    told = nlmsg.attribute(DESTINATION, socket.inet_pton(family, address))
    if link:
        told += nlmsg.attribute(LINK, struct.pack("=I", link))
    body = BODY.pack(family, bits, 0, 0, 0, 0, 0, 0, 0) + told
    return nlmsg.message(GET, body, number=number)


def _answer(kind: int, content: memoryview) -> str | OSError:
    if kind == ROUTE:
        for name, value in nlmsg.attributes(content, BODY.size):
            if name == SOURCE:
                return socket.inet_ntop(content[0], value)
    refused = nlmsg.refusal(content) if kind == nlmsg.FAILED else None
    return refused or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
