"""Holes that pass the engine's bridges by: routes, links and addresses made by hand."""

from __future__ import annotations

from tests.integration.observe import fault_builders
from tests.integration.observe.fault_builders import (
    Tampering,
    alias,
    all_of,
    commands,
    joined,
    sysctl,
    sysctl_within,
    within,
)

UNTOLD = "which the engine does not know"
BOTH = "guest -> db:3306, guest -> db:5353/udp"
BRIDGES_JOINED = commands(
    ("ip link add hand0 type veth peer name hand1", "ip link del hand0"),
    ("ip link set hand0 master {front_bridge} up", "true"),
    ("ip link set hand1 master {back_bridge} up", "true"),
)

BY_ROUTES_AND_LINKS = (
    Tampering(
        "another gateway",
        "in guest: ip route replace default via PROXY; in proxy: iptables -t nat -I POSTROUTING -j MASQUERADE",
        BOTH,
        fault_builders.another_gateway,
    ),
    Tampering(
        "two bridges joined by a cable",
        "ip link add type veth, an end on each bridge; in guest: ip addr add an address of back's",
        BOTH,
        all_of(BRIDGES_JOINED, alias("guest", "back")),
    ),
    Tampering(
        "two bridges joined, and not filtered",
        "the same cable; sysctl net.bridge.bridge-nf-call-iptables=0; in guest: ip route add BACK dev eth0",
        BOTH,
        all_of(
            BRIDGES_JOINED,
            sysctl("net/bridge/bridge-nf-call-iptables", "0"),
            within("guest", "ip route add {back} dev {guest_link}", "ip route del {back} dev {guest_link}"),
        ),
    ),
    Tampering(
        "a link moved to the other bridge",
        "ip link set LINK_OF_GUEST master BACK_BRIDGE; in guest: ip addr add an address of back's",
        BOTH,
        fault_builders.moved_link,
    ),
    Tampering(
        "a cable between two containers",
        "ip link add type veth, an end in guest and in db, with addresses",
        f"{BOTH}, db -> guest:7000",
        joined(("guest", "10.99.9.1/30"), ("db", "10.99.9.2/30")),
        says=UNTOLD,
    ),
    Tampering(
        "a cable between two containers over IPv6",
        "the same with IPv6 addresses",
        "guest -> db:*/udp over IPv6",
        all_of(
            joined(("guest", ""), ("db", "")),
            sysctl_within("guest", "net/ipv6/conf/hand0/disable_ipv6", "0"),
            sysctl_within("db", "net/ipv6/conf/hand1/disable_ipv6", "0"),
            within("guest", "ip -6 addr add fd5c:c105:9::1/64 dev hand0 nodad", "true"),
            within("db", "ip -6 addr add fd5c:c105:9::2/64 dev hand1 nodad", "true"),
        ),
        says=UNTOLD,
    ),
    Tampering(
        "a cable without addresses",
        "ip link add type veth, an end in guest and in db",
        "",
        joined(("guest", ""), ("db", "")),
        word="unknown",
        verdict="unproven",
        says=f"holds the link hand1, {UNTOLD}",
    ),
    Tampering(
        "a cable to the host",
        "ip link add type veth, an end in db, with addresses",
        "",
        joined(("db", "10.99.9.1/30"), ("", "10.99.9.2/30")),
        word="unknown",
        verdict="unproven",
        says=f"holds 10.99.9.1 on hand0, {UNTOLD}",
    ),
    Tampering(
        "a tunnel",
        "in db: ip tuntap add mode tun; ip addr add",
        "",
        fault_builders.tunnel,
        word="unknown",
        verdict="unproven",
        says=f"holds 10.99.9.1 on hand0, {UNTOLD}",
    ),
    Tampering(
        "an address that the engine did not give",
        "in db: ip addr add an address of back's",
        "",
        alias("db", "back", 201),
        word="unknown",
        verdict="unproven",
        says=UNTOLD,
    ),
)
