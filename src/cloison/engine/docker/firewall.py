"""Docker Engine's settings that only its iptables rules show, as far as predictions need them.

Rule: only settings of the whole engine are read here. A rule of one network that was deleted by hand must differ from
the prediction, so no prediction may follow from the rules of one network.
"""

from __future__ import annotations

from typing import Final

from cloison.linux.subprocesses import run

LOCAL_OUTPUT_RULE: Final = "-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER"
"""With `userland-proxy: false` connections from the host to loopback are translated, too:
https://github.com/moby/moby/pull/12165"""
DROP_RULE_SUFFIX: Final = " -j DROP"
"""The end of the rules in the raw table that protect containers' addresses: https://github.com/moby/moby/pull/49829"""


def has_userland_proxy() -> bool:
    """Whether the engine starts a `docker-proxy` for published ports, which is the default."""
    return LOCAL_OUTPUT_RULE not in _rules("nat", "OUTPUT")


def guards_addresses() -> bool:
    """Whether the engine drops packets that other machines route to containers' addresses, which is the default.

    `--allow-direct-routing` and DOCKER_INSECURE_NO_IPTABLES_RAW leave the raw table without a rule
    (https://github.com/moby/moby/pull/49832). Where the table cannot be read, the default is returned.
    """
    rules = _rules("raw", "PREROUTING")
    has_chains = bool(_rules("filter", "DOCKER-FORWARD"))
    return not has_chains or not rules or any(rule.endswith(DROP_RULE_SUFFIX) for rule in rules)


def has_ipv6_rules() -> bool:
    """Whether the engine has a chain for IPv6; before Engine 27 it makes one only with `--ip6tables`."""
    return bool(_rules("filter", "DOCKER", "ip6tables"))


def _rules(table: str, chain: str, program: str = "iptables") -> list[str]:
    """Return the rules of a chain, its policy first; empty when the chain or the program does not exist."""
    result = run([program, "--wait", "-t", table, "-S", chain])
    return result.out.splitlines() if result.code == 0 else []
