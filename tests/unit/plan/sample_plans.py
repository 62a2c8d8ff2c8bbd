"""Sample plans; `python -m tests.unit.plan.sample_plans` writes their golden reports: read the diff before a commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.unit.plan.sample_documents import ALLOW, POLICY, planned, service, shop

from cloison.plan.schema import Plan
from cloison.reports import plan_terminal as report

FOLDER: Final = Path(__file__).parent / "golden"


def sound() -> Plan:
    """Return three tiers with tolerations, and a network with more members than the policy needs."""
    return planned(shop(POLICY))


def smallest() -> Plan:
    """Return three tiers that share networks only where they need to."""
    document = shop(
        {**POLICY, "tolerate": [{"network": key, "why": "x"} for key in ("ab", "bc")] + POLICY["tolerate"][1:]},
        app=service("ab", "bc", expose=(5000,)),
        db=service("bc", expose=(3306,)),
        proxy=service("ab", "front", ports=("8080:80",)),
    )
    document["networks"] = {key: {"name": f"shop_{key}", "internal": key != "front"} for key in ("ab", "bc", "front")}
    return planned(document)


def breached() -> Plan:
    """Return a published database, an application with egress, and a needed flow that is closed."""
    services = {
        "app": service("front", expose=(5000,)),
        "db": service("back", expose=(3306,), ports=("3306:3306",)),
        "cache": service("front", "back", expose=(6379,), scale=9),
    }
    document = shop({"allow": [*ALLOW, "app -> cache:6380"], "tolerate": POLICY["tolerate"][2:]}, **services)
    document["networks"]["back"]["internal"] = False
    return planned(document)


def undecided() -> Plan:
    """Return flows that the file does not decide: external networks, other drivers, the host's namespace."""
    services = {
        "proxy": service("back", "edge", ports=(":80", "127.0.0.1:9000:9000", "53:53/udp")),
        "lan": service("lan", expose=(80,)),
        "agent": {"network_mode": "host"},
        "db": service("back", expose=(3306,), ports=("[::1]:3306:3306",)),
    }
    document = shop(POLICY, **services)
    document["networks"]["edge"] = {"name": "edge", "external": True}
    document["networks"]["lan"] = {"name": "shop_lan", "driver": "macvlan"}
    return planned(document)


def without_policy() -> Plan:
    """Return a file without a policy."""
    return planned(shop())


def ipv6() -> Plan:
    """Return a database on an internal network with IPv6, which Docker does not filter before Engine 27."""
    document = shop(POLICY)
    document["networks"]["back"] |= {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}
    return planned(document)


PLANS: Final[Mapping[str, Callable[[], Plan]]] = {
    "sound": cache(sound),
    "smallest": cache(smallest),
    "breached": cache(breached),
    "undecided": cache(undecided),
    "without-policy": cache(without_policy),
    "ipv6": cache(ipv6),
}
RENDERINGS: Final[Mapping[str, dict[str, Any]]] = {
    **{name: {"plan": name} for name in PLANS},
    "sound-strict-narrow": {"plan": "sound", "strict": True, "width": 60},
    "sound-color": {"plan": "sound", "color": True},
}


def rendered(plan: str, **rendering: Any) -> str:
    """Return the report of a plan."""
    return report.render(PLANS[plan](), **{"color": False, "width": 100, "strict": False, **rendering})


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, rendering in RENDERINGS.items():
        (FOLDER / f"{name}.txt").write_text(rendered(**rendering))
