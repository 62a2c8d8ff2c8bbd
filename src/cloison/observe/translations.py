"""Reads the translations of every namespace of a proof from the kernel, and names programs that no rule shows.

Input: the probe sockets by namespace. Output: `Translations` by the key of the vantage, and sentences.
Rule: no program is started, so a proof as root and one through the agent read the same. What the kernel refuses is
a sentence, never an empty list.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from cloison.linux import legacy_iptables, netns, nft_evaluation, nftables
from cloison.linux import packet_programs as programs
from cloison.linux.translation import Translations
from cloison.model.facts import Facts
from cloison.model.flow import HOST, OUTSIDE
from cloison.probe.sockets import ProbeSockets

VantageKey = tuple[str, str]
TRIES: Final = 3
IPVS: Final = Path("/proc/thread-self/net/ip_vs")
"""The virtual services of the IP Virtual Server, which Docker Swarm and kube-proxy use: each translates, too."""
IPVS_SERVICE: Final = re.compile(r"^(TCP|UDP|SCTP|FWM) ", re.MULTILINE)
ProbeSocketsByKey = Mapping[VantageKey, ProbeSockets]


def read(probe_sockets: ProbeSocketsByKey) -> dict[VantageKey, Translations]:
    """Return the translations of the host's namespace and of every container's.

    A namespace is read once, for the first of its keys.
    """
    found: dict[int, VantageKey] = {}
    for key, sockets in probe_sockets.items():
        if key != (OUTSIDE, ""):
            found.setdefault(netns.identity(sockets.descriptor), key)
    return {key: of_namespace(probe_sockets[key].descriptor, key[1] or HOST) for key in found.values()}


def packet_programs(keys: Iterable[VantageKey], facts: Facts, probe_sockets: ProbeSocketsByKey) -> list[str]:
    """Return sentences about the programs on the interfaces of containers, and on the bridges of the networks."""
    sentences = []
    bridges = {network.link for network in facts.networks if network.link}
    for key in keys:
        name = key[1] or HOST
        try:
            with netns.inside(probe_sockets[key].descriptor):
                found = programs.of_bridges(bridges) if key == (HOST, "") else programs.of_interfaces()
        except OSError as error:
            sentences.append(f"whether a program sees the packets of {name} cannot be read: {error.strerror}")
        else:
            sentences += [
                f"the interface {link} of {name} has a program ({', '.join(kinds)}) that may change, drop or redirect "
                "packets without a rule"
                for link, kinds in sorted(found.items())
            ]
    return sentences


def of_namespace(descriptor: int, name: str) -> Translations:
    """Return the translations of a namespace; `name` is its container's, or `host`."""
    result = Translations()
    with netns.inside(descriptor):
        for read_rules in (_of_nftables, legacy_iptables.translations):
            found = _tried(read_rules)
            result.found += found.found
            result.not_understood += found.not_understood
        if IPVS_SERVICE.search(_text(IPVS)):
            result.not_understood.append("IPVS has virtual services, whose targets are not read")
    return Translations(
        [*dict.fromkeys(result.found)], [f"in the namespace of {name}: {why}" for why in result.not_understood]
    )


def _tried(read_rules: Callable[[], Translations]) -> Translations:
    """Return the rules, or a sentence about why they are not known; rules that change meanwhile are read again."""
    for _ in range(TRIES):
        try:
            return read_rules()
        except OSError as error:
            reason = f"the packet filter cannot be read: {error.strerror}"
        except (LookupError, ValueError, struct.error) as error:
            reason = f"the packet filter has a rule that cannot be decoded: {error!r}"
    return Translations([], [reason])


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:  # the kernel module is not loaded
        return ""


def _of_nftables() -> Translations:
    return nft_evaluation.translations(nftables.read())
