"""What Docker made of the host's packet filter, as far as predictions need it.

Rule: only what holds for the whole engine is read here. A wall that somebody tore down by hand must
differ from the prediction, so no prediction may follow from the rules about one network.
"""

from __future__ import annotations

from typing import Final

from cloison.linux.subprocesses import run

LOCAL_OUTPUT_RULE: Final = "-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER"
"""Without a process at published ports even those on loopback are the filter's: https://github.com/moby/moby/pull/12165"""
DROP_RULE_SUFFIX: Final = " -j DROP"
"""What the rules of the raw table about containers' addresses end with: https://github.com/moby/moby/pull/49829"""


def has_userland_proxy() -> bool:
    """Whether the engine has a process at published ports; so it is unless the filter tells otherwise."""
    return LOCAL_OUTPUT_RULE not in _rules("nat", "OUTPUT")


def guards_addresses() -> bool:
    """Whether the engine drops what others route to containers; so it is unless the filter tells otherwise.

    `--allow-direct-routing` and DOCKER_INSECURE_NO_IPTABLES_RAW leave the table without a rule
    (https://github.com/moby/moby/pull/49832). Where it cannot be read, or is not the engine's filter, it tells nothing.
    """
    rules = _rules("raw", "PREROUTING")
    has_chains = bool(_rules("filter", "DOCKER-FORWARD"))
    return not has_chains or not rules or any(rule.endswith(DROP_RULE_SUFFIX) for rule in rules)


def has_ipv6_rules() -> bool:
    """Whether the engine has a chain of its own for IPv6; before Engine 27 it has one only if it was told to."""
    return bool(_rules("filter", "DOCKER", "ip6tables"))


def _rules(table: str, chain: str, program: str = "iptables") -> list[str]:
    """Return the rules of a chain, its policy first; none when there is no such chain or no such program."""
    result = run([program, "--wait", "-t", table, "-S", chain])
    return result.out.splitlines() if result.code == 0 else []
