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
"""Flags of dockerd that take a value."""
CONFIG_KEY_ALIASES: Final = {"default-address-pools": "default-address-pool"}
"""Keys of the daemon's file whose flag has another name."""
OFF: Final = "false"


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """The settings of the engine's daemon."""

    flags: tuple[tuple[str, str], ...] | None = None
    """The flags on its command line and in its file."""
    raw_table_allowed: bool | None = None
    """Whether it may make rules in the `raw` table: not with DOCKER_INSECURE_NO_IPTABLES_RAW=1."""

    def flag(self, name: str) -> str:
        """Return the value of a flag, empty where it is not set or could not be read."""
        return dict(self.flags or ()).get(name, "")


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The settings of the machine on which the engine runs."""

    firewalld: bool | None = None
    """Whether firewalld runs."""
    resolvers: tuple[str, ...] | None = None
    """The addresses of the host's name servers."""


def flags(argv: Sequence[str], document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the flags in the two tables above, from the daemon's command line and from its file.

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
