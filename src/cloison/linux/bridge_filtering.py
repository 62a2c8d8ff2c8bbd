"""Lets packets inside single bridges pass the chains of the IP families: br_netfilter.

Rule: only the bridges that are named are changed, never the setting of the whole machine.
Source: https://docs.kernel.org/networking/ip-sysctl.html (bridge-nf-call-*), and IFLA_BR_NF_CALL_IPTABLES of
linux/if_link.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cloison.linux import pyroute, subprocesses
from cloison.linux.sysctl import setting

FOLDER: Final = Path("/proc/sys/net/bridge")
"""It exists while the module br_netfilter is loaded."""
NAMES: Final = ("iptables", "ip6tables")


def is_available() -> bool:
    """Whether packets inside a bridge can pass these chains; loads the module if it is there."""
    if not FOLDER.exists():
        subprocesses.run(["modprobe", "--quiet", "br_netfilter"])
    return FOLDER.exists()


def is_on(bridge: str) -> bool:
    """Whether packets inside a bridge pass them, for both versions of IP."""
    own = {name for name in NAMES if setting(f"net/bridge/bridge-nf-call-{name}") != "1"}
    return not own or own <= _switched_on(bridge)


def switch(bridges: Iterable[str], *, on: bool) -> None:
    """Switch it for some bridges; one that does not exist any more is left out."""
    value = int(on)
    with pyroute.iproute() as route:
        for bridge in bridges:
            for index in route.link_lookup(ifname=bridge):
                route.link("set", index=index, kind="bridge", br_nf_call_iptables=value, br_nf_call_ip6tables=value)


def _switched_on(bridge: str) -> set[str]:
    """Return for which of `NAMES` a bridge filters by itself; /sys may be that of another network namespace."""
    with pyroute.iproute() as route:
        found = [link for index in route.link_lookup(ifname=bridge) for link in route.get_links(index)]
    settings = [link.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA") for link in found]
    return {name for name in NAMES for own in settings if own and own.get_attr(f"IFLA_BR_NF_CALL_{name.upper()}") == 1}
