"""Inspects the host for the facts that known vulnerabilities depend on and that no engine API reports.

Input: the path of the engine's socket. Output: `HostFacts` (see `findings.host_facts`).
Rule: nothing on the host is changed; a fact that cannot be read is None (or empty), which means unknown.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pyroute2.netlink.exceptions import NetlinkError

from cloison.findings.host_facts import OFF, HostFacts, flags, foreign_tables
from cloison.linux import netns, pyroute
from cloison.linux.subprocesses import NOT_FOUND, run

PROC: Final = Path("/proc")
DAEMON: Final = "dockerd"
DAEMON_JSON: Final = "/etc/docker/daemon.json"
PROXY: Final = "docker-proxy"
CONFIG_FLAG: Final = "--config-file"
NO_RAW_VARIABLE: Final = b"DOCKER_INSECURE_NO_IPTABLES_RAW=1"
UFW_CHAIN: Final = "ufw-user-forward"
CONNECT_TIMEOUT: Final = 5
"""Seconds to wait until the daemon accepts a connection."""
UCRED: Final = struct.Struct("3i")
"""struct ucred { pid_t pid; uid_t uid; gid_t gid; }, the value of SO_PEERCRED.

https://man7.org/linux/man-pages/man7/unix.7.html
"""


def inspect_host(engine_socket: str = "") -> HostFacts:
    """Return the facts of this host, and of the daemon that listens on `engine_socket`."""
    daemon = _daemon(engine_socket)
    options = _flags(daemon) if daemon else None
    return HostFacts(
        firewalld=any(_processes_named("firewalld")),
        ufw=_has_chain(UFW_CHAIN),
        foreign_tables=_foreign_tables(),
        iptables_backend=_iptables_backend(),
        forward_policy=_policy("iptables"),
        forward_policy_ipv6=_policy("ip6tables"),
        forwards=_setting("net/ipv4/ip_forward"),
        forwards_ipv6=_setting("net/ipv6/conf/all/forwarding"),
        bridges_call_iptables=_setting("net/bridge/bridge-nf-call-iptables"),
        userland_proxy=_has_proxy(daemon, options),
        resolvers=_nameservers(),
        flags=options,
        raw_table_allowed=_adds_raw_rules(daemon),
    )


def _daemon(engine_socket: str) -> int:
    """Return the PID of the daemon: the peer of the socket, else the only dockerd in this network namespace, else 0.

    With socket activation systemd listens on the socket, so SO_PEERCRED names systemd.
    """
    with suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(CONNECT_TIMEOUT)
        sock.connect(engine_socket)
        pid, _, _ = UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
        if _name(pid) == DAEMON:
            return int(pid)
    found = list(_processes_named(DAEMON))
    return found[0] if len(found) == 1 else 0


def _name(pid: int) -> str:
    with suppress(OSError):
        return (PROC / str(pid) / "comm").read_text().strip()
    return ""


def _processes_named(name: str) -> Iterator[int]:
    """Yield the PIDs of the processes called `name` in this network namespace: others have other firewall rules."""
    own_netns = (PROC / "thread-self/ns/net").stat().st_ino
    for entry in PROC.iterdir():
        with suppress(OSError):  # it has ended, or this process may not read it
            if entry.name.isdecimal() and _name(int(entry.name)) == name and _netns_inode(int(entry.name)) == own_netns:
                yield int(entry.name)


def _netns_inode(pid: int) -> int:
    descriptor = netns.of_process(pid)
    try:
        return netns.identity(descriptor)
    finally:
        os.close(descriptor)


def _flags(pid: int) -> tuple[tuple[str, str], ...] | None:
    """Return the options of a daemon; None if its command line or its daemon.json cannot be read."""
    try:
        argv = (PROC / str(pid) / "cmdline").read_text(errors="replace").rstrip("\0").split("\0")
        return flags(argv, _read_config(pid, _config_path(argv)))
    except (OSError, ValueError, TypeError):
        return None


def _config_path(argv: Sequence[str]) -> str:
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        name, is_given, value = word.partition("=")
        if name == CONFIG_FLAG:
            return value if is_given else following
    return DAEMON_JSON


def _read_config(pid: int, path: str) -> dict[str, Any]:
    """Read the daemon.json below the daemon's own root directory; an absent file sets no option."""
    try:
        read = json.loads((PROC / str(pid) / "root" / path.lstrip("/")).read_text())
    except FileNotFoundError:
        return {}
    if not isinstance(read, dict):
        raise TypeError(f"{path} is not a JSON object")
    return read


def _adds_raw_rules(pid: int) -> bool | None:
    if not pid:
        return None
    try:
        return NO_RAW_VARIABLE not in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None


def _has_proxy(daemon: int, options: Iterable[tuple[str, str]] | None) -> bool | None:
    """Whether the daemon starts docker-proxy for published ports: one runs, or its options do not switch it off."""
    if any(_parent(pid) == daemon for pid in _processes_named(PROXY)):
        return True
    return None if options is None else dict(options).get("userland-proxy", "") != OFF


def _parent(pid: int) -> int:
    with suppress(OSError, IndexError):
        # The program's name is in parentheses and may contain any character, so split at the last one: proc_pid_stat(5)
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return -1


def _setting(name: str) -> bool | None:
    try:
        return (PROC / "sys" / name).read_text().strip() == "1"
    except OSError:
        return None


def _nameservers() -> tuple[str, ...] | None:
    try:
        lines = Path("/etc/resolv.conf").read_text().splitlines()
    except OSError:
        return None
    return tuple(words[1] for line in lines if (words := line.split())[:1] == ["nameserver"] and words[1:])


def _policy(program: str) -> str:
    result = run([program, "--wait", "-S", "FORWARD"])
    words = result.out.split()
    return words[2] if result.code == 0 and words[:2] == ["-P", "FORWARD"] else ""


def _has_chain(name: str) -> bool | None:
    code = run(["iptables", "--wait", "-S", name]).code
    return None if code == NOT_FOUND else code == 0


def _iptables_backend() -> str:
    """Return the backend of iptables, `nf_tables` or `legacy`: "iptables v1.8.9 (nf_tables)"."""
    _, _, rest = run(["iptables", "--version"]).out.partition("(")
    return rest.partition(")")[0]


def _foreign_tables() -> tuple[str, ...] | None:
    try:
        with pyroute.nftables() as nftables:
            found = [(table["nfgen_family"], table.get_attr("NFTA_TABLE_NAME")) for table in nftables.get_tables()]
    except (OSError, NetlinkError):  # a kernel without nftables
        return None
    return foreign_tables(found)
