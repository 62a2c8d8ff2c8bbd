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
from cloison.model.flow import WILDCARD, Protocol

LISTEN_STATES: Final = {Protocol.TCP: "0A", Protocol.UDP: "07"}
"""The state of a socket that listens; a datagram socket that is connected to somebody has another."""
UNCONNECTED: Final = re.compile(r"0+:0000")
SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
PROC: Final = Path("/proc")
SOCK_DIAG_BY_FAMILY: Final = 20
"""SOCK_DIAG_BY_FAMILY of linux/sock_diag.h."""
FAMILIES: Final = {socket.AF_INET: 4, socket.AF_INET6: 16}
"""With the bytes of an address."""
INET_DIAG_REQ_V2: Final = struct.Struct("=BBxxI48x")
"""An `inet_diag_req_v2` of linux/inet_diag.h: family, protocol, and the states that are asked for, a bit each."""
INET_DIAG_MSG: Final = struct.Struct("=4xH2x16s44xI")
"""An `inet_diag_msg`, as far as it is read: port, address, inode."""


class ListeningSocket(NamedTuple):
    """A socket that takes connections or datagrams; `inode` is the kernel's number for it."""

    protocol: Protocol
    address: str
    port: int
    inode: int


def sockets() -> Iterator[ListeningSocket]:
    """Yield every listening socket of this thread's namespace; one on `::` stands for IPv4 too.

    It takes IPv4 unless it was asked not to, and only its own namespace can tell.
    """
    tcp_sockets = _tcp_by_sock_diag()
    yield from _from_proc(Protocol.TCP) if tcp_sockets is None else tcp_sockets
    yield from _from_proc(Protocol.UDP)


def _tcp_by_sock_diag() -> list[ListeningSocket] | None:
    """Return the TCP sockets that listen, None where the kernel cannot tell them alone."""
    found: list[ListeningSocket] = []
    try:
        with netlink.nl_socket(netlink.NETLINK_SOCK_DIAG) as sock:
            for family, length in FAMILIES.items():
                request = INET_DIAG_REQ_V2.pack(family, socket.IPPROTO_TCP, 1 << int(LISTEN_STATES[Protocol.TCP], 16))
                for _, body in netlink.dump(sock, SOCK_DIAG_BY_FAMILY, request):
                    port, held, inode = INET_DIAG_MSG.unpack_from(body)
                    found += _with_ipv4(Protocol.TCP, _unmapped(ip_address(held[:length])), socket.ntohs(port), inode)
    except OSError:  # it was built without
        return None
    return found


def _from_proc(protocol: Protocol) -> Iterator[ListeningSocket]:
    for table in (protocol.value, f"{protocol}6"):
        path = PROC / "thread-self/net" / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            yield from _read(protocol, line.split())


def _read(protocol: Protocol, words: list[str]) -> Iterator[ListeningSocket]:
    if words[3] != LISTEN_STATES[protocol] or not UNCONNECTED.fullmatch(words[2]):
        return
    text, _, port = words[1].partition(":")
    yield from _with_ipv4(protocol, _address(text), int(port, 16), int(words[9]))


def _with_ipv4(protocol: Protocol, address: str, port: int, inode: int) -> Iterator[ListeningSocket]:
    yield ListeningSocket(protocol, address, port, inode)
    if address == WILDCARD[6]:
        yield ListeningSocket(protocol, WILDCARD[4], port, inode)


def _address(text: str) -> str:
    """Read an address of the tables: words of four bytes, each in the machine's own order."""
    words = bytes.fromhex(text)
    packed = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    return _unmapped(ip_address(packed))


def _unmapped(address: IPv4Address | IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def inodes_of_container(container: str) -> set[int]:
    """Return the sockets that the processes of a container hold open; `container` is the engine's identity of it."""
    return _socket_inodes("cgroup", lambda text: container in text)


def inodes_of_program(name: str) -> set[int]:
    """Return the sockets that the processes of a program hold open."""
    return _socket_inodes("comm", lambda text: text.strip() == name)


def command_lines(name: str) -> Iterator[list[str]]:
    """Yield the command lines of the processes of a program."""
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if (process / "comm").read_text().strip() == name:
                yield (process / "cmdline").read_text().rstrip("\0").split("\0")


def _socket_inodes(file: str, matches: Callable[[str], bool]) -> set[int]:
    found: set[int] = set()
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if matches((process / file).read_text()):
                found |= {*_open_socket_inodes(process)}
    return found


def _open_socket_inodes(process: Path) -> Iterator[int]:
    for opened in (process / "fd").iterdir():
        with suppress(OSError):  # it has been closed
            if match := SOCKET.fullmatch(str(opened.readlink())):
                yield int(match[1])
