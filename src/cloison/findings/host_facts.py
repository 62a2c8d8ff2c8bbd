"""The settings of the engine's host that decide how packets are filtered and that no engine API reports.

Input: the daemon's command line, its daemon.json, and the tables of nftables. Output: `HostFacts`.
Rule: None and the empty string mean "could not be read"; they never stand for a value.
Source: https://docs.docker.com/reference/cli/dockerd/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

BOOLEAN_FLAGS: Final = frozenset(
    {
        "allow-direct-routing",
        "icc",
        "ip-forward",
        "ip-forward-no-drop",
        "ip-masq",
        "ip6tables",
        "iptables",
        "ipv6",
        "userland-proxy",
    }
)
"""Boolean flags of dockerd: a flag without `=value` is true."""
VALUE_FLAGS: Final = frozenset({"bip", "default-address-pool", "firewall-backend", "ip", "userns-remap"})
"""Flags of dockerd that take a value. https://docs.docker.com/reference/cli/dockerd/"""
CONFIG_KEY_ALIASES: Final = {"default-address-pools": "default-address-pool"}
"""Keys of daemon.json whose name differs from the flag on the command line."""
OFF: Final = "false"
ENGINE_TABLES: Final = frozenset({"docker-bridges", "filter", "mangle", "nat", "raw", "security"})
"""Tables of nftables that Docker creates, or iptables with its nf_tables backend."""
FAMILIES: Final = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
"""The kernel's numbers of table families: NFPROTO_* in linux/netfilter.h."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The settings found on the engine's host."""

    firewalld: bool | None = None
    """Whether firewalld is running."""
    ufw: bool | None = None
    """Whether ufw's chains are loaded."""
    foreign_tables: tuple[str, ...] | None = None
    """Tables of nftables that neither Docker nor iptables created."""
    iptables_backend: str = ""
    """`nf_tables` or `legacy`."""
    forward_policy: str = ""
    """ACCEPT or DROP."""
    forward_policy_ipv6: str = ""
    forwards: bool | None = None
    """Whether the host forwards IPv4: net.ipv4.ip_forward."""
    forwards_ipv6: bool | None = None
    bridges_call_iptables: bool | None = None
    """Whether packets inside a bridge pass iptables: net.bridge.bridge-nf-call-iptables."""
    userland_proxy: bool | None = None
    """Whether docker-proxy listens on published ports."""
    resolvers: tuple[str, ...] | None = None
    """The name servers of the host."""
    flags: tuple[tuple[str, str], ...] | None = None
    """The flags of the daemon, from its command line and from daemon.json."""
    raw_table_allowed: bool | None = None
    """Whether the daemon may add rules to the `raw` table: false with DOCKER_INSECURE_NO_IPTABLES_RAW=1."""

    def flag(self, name: str) -> str:
        """Return the value of the daemon's flag `name`, empty when it is not set or could not be read."""
        return dict(self.flags or ()).get(name, "")


def flags(argv: Sequence[str], document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the known flags of the daemon's command line and of its daemon.json as sorted (name, value) pairs.

    dockerd refuses to start when both set the same flag, so there is no precedence.
    """
    from_file = {CONFIG_KEY_ALIASES.get(key, key): value for key, value in document.items()}
    relevant = {key: _text(value) for key, value in from_file.items() if key in BOOLEAN_FLAGS | VALUE_FLAGS}
    return tuple(sorted({**relevant, **dict(_command_line_flags(argv))}.items()))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value))
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_text(part)}" for key, part in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _command_line_flags(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        dashes, _, text = word.partition("--")
        name, is_given, value = text.partition("=")
        if dashes or name not in BOOLEAN_FLAGS | VALUE_FLAGS:
            continue
        if is_given:
            yield name, value
        else:
            yield name, "true" if name in BOOLEAN_FLAGS else following


def foreign_tables(tables: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """Return the tables, given as (family, name), that neither Docker nor iptables created."""
    return tuple(
        sorted(f"{FAMILIES.get(family, family)} {name}" for family, name in tables if name not in ENGINE_TABLES)
    )
