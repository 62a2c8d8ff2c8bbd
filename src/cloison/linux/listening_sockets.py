"""Reads the listening sockets of the calling thread's network namespace from the kernel.

Output: `ListeningSocket` values, and the inodes of the sockets that a program or a container holds open.
Rule: TCP sockets come from a sock_diag dump of the state TCP_LISTEN, because the kernel builds /proc/net/tcp from the
connections of all namespaces, which takes milliseconds in each of a hundred namespaces. UDP sockets, and TCP sockets
on a kernel without sock_diag, come from /proc/net.
Source: https://docs.kernel.org/networking/proc_net_tcp.html,
https://man7.org/linux/man-pages/man7/sock_diag.7.html, linux/inet_diag.h, net/tcp_states.h.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, NamedTuple

from cloison.linux import netlink, processes
from cloison.model.flow import WILDCARD, Protocol

LISTEN_STATES: Final = {Protocol.TCP: "0A", Protocol.UDP: "07"}
"""TCP_LISTEN (0x0A) and TCP_CLOSE (0x07), the state of an unconnected UDP socket; a connected one is 0x01."""
UNCONNECTED: Final = re.compile(r"0+:0000")
SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
PROC: Final = Path("/proc")
SOCK_DIAG_BY_FAMILY: Final = 20
"""The message type of linux/sock_diag.h."""
FAMILIES: Final = {socket.AF_INET: 4, socket.AF_INET6: 16}
"""The length of an address in bytes, by address family."""
INET_DIAG_REQ_V2: Final = struct.Struct("=BBxxI48x")
"""struct inet_diag_req_v2 of linux/inet_diag.h; idiag_states is a bit mask, 1 << TCP_LISTEN.

    struct inet_diag_req_v2 {
        __u8                  sdiag_family;
        __u8                  sdiag_protocol;
        __u8                  idiag_ext;
        __u8                  pad;
        __u32                 idiag_states;
        struct inet_diag_sockid id;          /* 48 bytes */
    };
"""
INET_DIAG_MSG: Final = struct.Struct("=4xH2x16s44xI")
"""struct inet_diag_msg of linux/inet_diag.h; idiag_sport, idiag_src and idiag_inode are read.

    struct inet_diag_msg {
        __u8  idiag_family, idiag_state, idiag_timer, idiag_retrans;
        struct inet_diag_sockid {
            __be16 idiag_sport, idiag_dport;
            __be32 idiag_src[4], idiag_dst[4];
            __u32  idiag_if, idiag_cookie[2];
        } id;
        __u32 idiag_expires, idiag_rqueue, idiag_wqueue, idiag_uid, idiag_inode;
    };
"""


class ListeningSocket(NamedTuple):
    """A socket that accepts connections or receives datagrams; `inode` is its inode in sockfs."""

    protocol: Protocol
    address: str
    port: int
    inode: int


def sockets() -> Iterator[ListeningSocket]:
    """Yield every listening socket of this thread's namespace; a socket on `::` is yielded for 0.0.0.0 too.

    A socket on `::` accepts IPv4 unless IPV6_V6ONLY is set, which no table shows; a probe has to confirm it.
    """
    tcp_sockets = _tcp_by_sock_diag()
    yield from _from_proc(Protocol.TCP) if tcp_sockets is None else tcp_sockets
    yield from _from_proc(Protocol.UDP)


def _tcp_by_sock_diag() -> list[ListeningSocket] | None:
    """Return the listening TCP sockets, None on a kernel without CONFIG_INET_DIAG."""
    found: list[ListeningSocket] = []
    try:
        with netlink.nl_socket(netlink.NETLINK_SOCK_DIAG) as sock:
            for family, length in FAMILIES.items():
                request = INET_DIAG_REQ_V2.pack(family, socket.IPPROTO_TCP, 1 << int(LISTEN_STATES[Protocol.TCP], 16))
                for _, body in netlink.dump(sock, SOCK_DIAG_BY_FAMILY, request):
                    port, held, inode = INET_DIAG_MSG.unpack_from(body)
                    found += _with_ipv4(Protocol.TCP, _unmapped(ip_address(held[:length])), socket.ntohs(port), inode)
    except OSError:  # CONFIG_INET_DIAG is not set
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
    """Parse an address of /proc/net/tcp: 32-bit words in hexadecimal, each in the processor's byte order."""
    words = bytes.fromhex(text)
    packed = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    return _unmapped(ip_address(packed))


def _unmapped(address: IPv4Address | IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def inodes_of_container(container: str) -> set[int]:
    """Return the inodes of the sockets that a container's processes hold open; `container` is its full ID."""
    found: set[int] = set()
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if container in (process / "cgroup").read_text():
                found |= _inodes_of_process(process)
    return found


def inodes_of_program(name: str) -> set[int]:
    """Return the inodes of the sockets that the processes of a program in this thread's network namespace hold open."""
    return {inode for pid in processes.named(name) for inode in _inodes_of_process(PROC / str(pid))}


def command_lines(name: str) -> Iterator[list[str]]:
    """Yield the command lines of the processes of a program in this thread's network namespace."""
    for pid in processes.named(name):
        with suppress(OSError):  # it has ended
            yield (PROC / str(pid) / "cmdline").read_text().rstrip("\0").split("\0")


def _inodes_of_process(process: Path) -> set[int]:
    with suppress(OSError):  # it has ended
        return {*_open_socket_inodes(process)}
    return set()


def _open_socket_inodes(process: Path) -> Iterator[int]:
    for opened in (process / "fd").iterdir():
        with suppress(OSError):  # it has been closed
            if match := SOCKET.fullmatch(str(opened.readlink())):
                yield int(match[1])
