"""What the engine's machine is set to, as far as it decides what a packet may do and no API of an engine tells it.

Rule: None and the empty text mean "could not be read"; they never stand for a value.
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
"""Flags of dockerd that are on or off: without `=value` they are on."""
VALUE_FLAGS: Final = frozenset({"bip", "default-address-pool", "firewall-backend", "ip", "userns-remap"})
"""Flags of dockerd that take a value. https://docs.docker.com/reference/cli/dockerd/"""
CONFIG_KEY_ALIASES: Final = {"default-address-pools": "default-address-pool"}
"""Where the daemon's file has another word than its command line."""
OFF: Final = "false"
ENGINE_TABLES: Final = frozenset({"docker-bridges", "filter", "mangle", "nat", "raw", "security"})
"""Tables of nftables that belong to Docker, or to iptables where nftables is its backend."""
FAMILIES: Final = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
"""The kernel's numbers for the families of a table: linux/netfilter.h, NFPROTO_*."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What was found on the engine's machine."""

    firewalld: bool | None = None
    """Whether firewalld runs."""
    ufw: bool | None = None
    """Whether ufw's chains are loaded."""
    foreign_tables: tuple[str, ...] | None = None
    """Tables of nftables that neither Docker nor iptables made."""
    iptables_backend: str = ""
    """`nf_tables` or `legacy`."""
    forward_policy: str = ""
    """ACCEPT or DROP."""
    forward_policy_ipv6: str = ""
    forwards: bool | None = None
    """Whether the host forwards IPv4 at all: net.ipv4.ip_forward."""
    forwards_ipv6: bool | None = None
    bridges_call_iptables: bool | None = None
    """Whether what a bridge carries passes iptables: net.bridge.bridge-nf-call-iptables."""
    userland_proxy: bool | None = None
    """Whether the engine listens on published ports itself (docker-proxy)."""
    resolvers: tuple[str, ...] | None = None
    """The host's own name servers."""
    flags: tuple[tuple[str, str], ...] | None = None
    """What the engine's daemon was told, on its command line and in its file."""
    raw_table_allowed: bool | None = None
    """Whether the daemon may make rules in the `raw` table: not with DOCKER_INSECURE_NO_IPTABLES_RAW=1."""

    def flag(self, name: str) -> str:
        """Return what the daemon was told about `name`, empty where nothing was said or nothing could be read."""
        return dict(self.flags or ()).get(name, "")


def flags(argv: Sequence[str], document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the flags that matter, of the daemon's command line and of its file.

    dockerd refuses to start where both name the same flag, so neither has to win.
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
    """Return the tables, given as (family, name), that neither Docker nor iptables made."""
    return tuple(
        sorted(f"{FAMILIES.get(family, family)} {name}" for family, name in tables if name not in ENGINE_TABLES)
    )
