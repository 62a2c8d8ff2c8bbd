"""Docker Engine's settings that only its rules in iptables show, as far as predictions need them.

Rule: only settings of the whole engine are read here. A rule of one network that was deleted by hand must differ from
the prediction, so no prediction may follow from the rules of one network. No program is started: the rules come from
the kernel, as root and through the agent alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cloison.linux import iptables_chains
from cloison.linux.iptables_chains import DROP, REJECT, Chains
from cloison.linux.sysctl import setting

LOCAL_OUTPUT: Final = (4, "nat", "OUTPUT")
ENGINE_CHAIN: Final = "DOCKER"
"""With `userland-proxy: false`, OUTPUT jumps to the chain for every destination, because connections from the host to
loopback are translated, too (https://github.com/moby/moby/pull/12165); else the rule leaves 127.0.0.0/8 out."""


USER_CHAIN: Final = "DOCKER-USER"
"""The chain for a person's own rules: https://docs.docker.com/engine/network/firewall-iptables/"""
PROGRAMS: Final = {4: "iptables", 6: "ip6tables"}
BRIDGE_SETTINGS: Final = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}


@dataclass(frozen=True, slots=True)
class EngineRules:
    """The engine's chains, empty where they cannot be read."""

    chains: Chains

    @property
    def has_userland_proxy(self) -> bool:
        """Whether the engine starts a `docker-proxy` for published ports, which is the default."""
        rules = self.chains.get(LOCAL_OUTPUT, ())
        return not any(rule.jump == ENGINE_CHAIN and not rule.has_destination for rule in rules)

    @property
    def guards_addresses(self) -> bool:
        """Whether the engine drops packets that other machines route to containers' addresses, which is the default.

        `--allow-direct-routing` and DOCKER_INSECURE_NO_IPTABLES_RAW leave the raw table without such a rule
        (https://github.com/moby/moby/pull/49829, https://github.com/moby/moby/pull/49832).
        """
        has_chains = (4, "filter", "DOCKER-FORWARD") in self.chains
        return not has_chains or any(rule.jump == DROP for rule in self.chains.get((4, "raw", "PREROUTING"), ()))

    @property
    def has_ipv6_rules(self) -> bool:
        """Whether the engine has a chain for IPv6; before Engine 27 it makes one only with `--ip6tables`."""
        return (6, "filter", ENGINE_CHAIN) in self.chains


def read() -> EngineRules:
    """Return the engine's rules in the calling thread's network namespace."""
    try:
        return EngineRules(iptables_chains.read())
    except OSError:
        return EngineRules({})


def unreached_rules() -> Iterator[str]:
    """Yield sentences about rules of a person that would close flows, and that the kernel does not ask."""
    try:
        backends = iptables_chains.read_by_backend()
    except OSError:
        return
    for backend, chains in backends.items():
        for version, program in PROGRAMS.items():
            if any(rule.jump in (DROP, REJECT) for rule in chains.get((version, "filter", USER_CHAIN), ())):
                yield from _unreached(chains, version, f"{USER_CHAIN} ({program}-{backend})")


def _unreached(chains: Chains, version: int, name: str) -> Iterator[str]:
    """Yield why packets of containers do not pass the rules of the chain `name`."""
    jumps = {rule.jump for rule in chains.get((version, "filter", "FORWARD"), ())}
    if USER_CHAIN not in jumps:
        yield f"the chain {name} has rules that drop packets, and FORWARD does not jump to it: no packet is asked"
    elif setting(BRIDGE_SETTINGS[version]) != "1":
        key = BRIDGE_SETTINGS[version].replace("/", ".")
        yield (
            f"the chain {name} has rules that drop packets; packets between two containers of one network do not pass "
            f"it, because {key} is not 1"
        )
