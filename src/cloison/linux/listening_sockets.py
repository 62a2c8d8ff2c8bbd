"""Reads from the kernel who listens in the namespace where the calling thread stands.

The tables: https://docs.kernel.org/networking/proc_net_tcp.html. That of TCP is made by going through the connections
of all namespaces, which takes milliseconds in each of a hundred. So a kernel that can tell those that listen alone is
asked for them: https://man7.org/linux/man-pages/man7/sock_diag.7.html.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, NamedTuple

from cloison.linux import netlink
from cloison.model.facts import WILDCARD, Protocol

READY: Final = {Protocol.TCP: "0A", Protocol.UDP: "07"}
"""The state of a socket that listens; a datagram socket that is connected to somebody has another."""
NOBODY: Final = re.compile(r"0+:0000")
SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
PROC: Final = Path("/proc")
BY_FAMILY: Final = 20
"""SOCK_DIAG_BY_FAMILY of linux/sock_diag.h."""
FAMILIES: Final = {socket.AF_INET: 4, socket.AF_INET6: 16}
"""With the bytes of an address."""
QUESTION: Final = struct.Struct("=BBxxI48x")
"""An `inet_diag_req_v2` of linux/inet_diag.h: family, protocol, and the states that are asked for, a bit each."""
ANSWER: Final = struct.Struct("=4xH2x16s44xI")
"""An `inet_diag_msg`, as far as it is read: port, address, inode."""


class Socket(NamedTuple):
    """A socket that takes connections or datagrams; `inode` is the kernel's number for it."""

    protocol: Protocol
    address: str
    port: int
    inode: int


def sockets() -> Iterator[Socket]:
    """Yield every listening socket of this thread's namespace; one on `::` stands for IPv4 too.

    It takes IPv4 unless it was asked not to, and only its own namespace can tell.
    """
    told = _told()
    yield from _tables(Protocol.TCP) if told is None else told
    yield from _tables(Protocol.UDP)


def _told() -> list[Socket] | None:
    """Return the TCP sockets that listen, None where the kernel cannot tell them alone."""
    found: list[Socket] = []
    try:
        with netlink.line(netlink.SOCKETS) as line:
            for family, length in FAMILIES.items():
                asked = QUESTION.pack(family, socket.IPPROTO_TCP, 1 << int(READY[Protocol.TCP], 16))
                for _, body in netlink.dump(line, BY_FAMILY, asked):
                    port, held, inode = ANSWER.unpack_from(body)
                    found += _opened(Protocol.TCP, _plain(ip_address(held[:length])), socket.ntohs(port), inode)
    except OSError:  # it was built without
        return None
    return found


def _tables(protocol: Protocol) -> Iterator[Socket]:
    for table in (protocol.value, f"{protocol}6"):
        path = PROC / "thread-self/net" / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            yield from _read(protocol, line.split())


def _read(protocol: Protocol, words: list[str]) -> Iterator[Socket]:
    if words[3] != READY[protocol] or not NOBODY.fullmatch(words[2]):
        return
    text, _, port = words[1].partition(":")
    yield from _opened(protocol, _address(text), int(port, 16), int(words[9]))


def _opened(protocol: Protocol, address: str, port: int, inode: int) -> Iterator[Socket]:
    yield Socket(protocol, address, port, inode)
    if address == WILDCARD[6]:
        yield Socket(protocol, WILDCARD[4], port, inode)


def _address(text: str) -> str:
    """Read an address of the tables: words of four bytes, each in the machine's own order."""
    words = bytes.fromhex(text)
    packed = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    return _plain(ip_address(packed))


def _plain(address: IPv4Address | IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def inodes(container: str) -> set[int]:
    """Return the sockets that the processes of a container hold open; `container` is the engine's identity of it."""
    return _held_by("cgroup", lambda text: container in text)


def inodes_of_program(name: str) -> set[int]:
    """Return the sockets that the processes of a program hold open."""
    return _held_by("comm", lambda text: text.strip() == name)


def commands(name: str) -> Iterator[list[str]]:
    """Yield the command lines of the processes of a program."""
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if (process / "comm").read_text().strip() == name:
                yield (process / "cmdline").read_text().rstrip("\0").split("\0")


def _held_by(file: str, is_meant: Callable[[str], bool]) -> set[int]:
    found: set[int] = set()
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if is_meant((process / file).read_text()):
                found |= {*_held(process)}
    return found


def _held(process: Path) -> Iterator[int]:
    for opened in (process / "fd").iterdir():
        with suppress(OSError):  # it has been closed
            if match := SOCKET.fullmatch(str(opened.readlink())):
                yield int(match[1])
