"""Reads from the kernel who listens in the namespace where the calling thread stands.

The tables: https://docs.kernel.org/networking/proc_net_tcp.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final, NamedTuple

from cloison.model import WILDCARD, Protocol

READY: Final = {Protocol.TCP: "0A", Protocol.UDP: "07"}
"""The state of a socket that listens; a datagram socket that is connected to somebody has another."""
NOBODY: Final = re.compile(r"0+:0000")
SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
PROC: Final = Path("/proc")


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
    for protocol in READY:
        for table in (protocol.value, f"{protocol}6"):
            path = PROC / "thread-self/net" / table
            for line in path.read_text().splitlines()[1:] if path.exists() else ():
                yield from _read(protocol, line.split())


def _read(protocol: Protocol, words: list[str]) -> Iterator[Socket]:
    if words[3] != READY[protocol] or not NOBODY.fullmatch(words[2]):
        return
    text, _, port = words[1].partition(":")
    address = _address(text)
    yield Socket(protocol, address, int(port, 16), int(words[9]))
    if address == WILDCARD[6]:
        yield Socket(protocol, WILDCARD[4], int(port, 16), int(words[9]))


def _address(text: str) -> str:
    """Read an address of the tables: words of four bytes, each in the machine's own order."""
    words = bytes.fromhex(text)
    packed = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    address = ip_address(packed)
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
