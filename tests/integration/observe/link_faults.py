"""Injected faults that bypass the engine's bridges: routes, interfaces and addresses made by hand."""

from __future__ import annotations

from tests.integration.observe import fault_builders
from tests.integration.observe.fault_builders import (
    InjectedFault,
    alias,
    all_of,
    commands,
    connected_by_veth,
    in_namespace,
    sysctl,
    sysctl_in_namespace,
)

UNMANAGED = "which the engine does not manage"
BOTH_DB_PORTS = "guest -> db:3306, guest -> db:5353/udp"
BRIDGES_JOINED = commands(
    ("ip link add hand0 type veth peer name hand1", "ip link del hand0"),
    ("ip link set hand0 master {front_bridge} up", "true"),
    ("ip link set hand1 master {back_bridge} up", "true"),
)

BY_ROUTES_AND_LINKS = (
    InjectedFault(
        "another default gateway",
        "in guest: ip route replace default via PROXY; in proxy: iptables -t nat -I POSTROUTING -j MASQUERADE",
        BOTH_DB_PORTS,
        fault_builders.another_gateway,
    ),
    InjectedFault(
        "two bridges joined by a veth pair",
        "ip link add type veth, an end on each bridge; in guest: ip addr add an address of back's",
        BOTH_DB_PORTS,
        all_of(BRIDGES_JOINED, alias("guest", "back")),
    ),
    InjectedFault(
        "two bridges joined without filtering",
        "the same veth pair; sysctl net.bridge.bridge-nf-call-iptables=0; in guest: ip route add BACK dev eth0",
        BOTH_DB_PORTS,
        all_of(
            BRIDGES_JOINED,
            sysctl("net/bridge/bridge-nf-call-iptables", "0"),
            in_namespace("guest", "ip route add {back} dev {guest_link}", "ip route del {back} dev {guest_link}"),
        ),
    ),
    InjectedFault(
        "an interface moved to the other bridge",
        "ip link set LINK_OF_GUEST master BACK_BRIDGE; in guest: ip addr add an address of back's",
        BOTH_DB_PORTS,
        fault_builders.moved_interface,
    ),
    InjectedFault(
        "a veth pair between two containers",
        "ip link add type veth, an end in guest and in db, with addresses",
        f"{BOTH_DB_PORTS}, db -> guest:7000",
        connected_by_veth(("guest", "10.99.9.1/30"), ("db", "10.99.9.2/30")),
        says=UNMANAGED,
    ),
    InjectedFault(
        "a veth pair between two containers over IPv6",
        "the same with IPv6 addresses",
        "guest -> db:*/udp over IPv6",
        all_of(
            connected_by_veth(("guest", ""), ("db", "")),
            sysctl_in_namespace("guest", "net/ipv6/conf/hand0/disable_ipv6", "0"),
            sysctl_in_namespace("db", "net/ipv6/conf/hand1/disable_ipv6", "0"),
            in_namespace("guest", "ip -6 addr add fd5c:c105:9::1/64 dev hand0 nodad", "true"),
            in_namespace("db", "ip -6 addr add fd5c:c105:9::2/64 dev hand1 nodad", "true"),
        ),
        says=UNMANAGED,
    ),
    InjectedFault(
        "a veth pair without addresses",
        "ip link add type veth, an end in guest and in db",
        "",
        connected_by_veth(("guest", ""), ("db", "")),
        word="unknown",
        verdict="unproven",
        says=f"has the interface hand1, {UNMANAGED}",
    ),
    InjectedFault(
        "a veth pair to the host",
        "ip link add type veth, an end in db, with addresses",
        "",
        connected_by_veth(("db", "10.99.9.1/30"), ("", "10.99.9.2/30")),
        word="unknown",
        verdict="unproven",
        says=f"has the address 10.99.9.1 on hand0, {UNMANAGED}",
    ),
    InjectedFault(
        "a tun interface",
        "in db: ip tuntap add mode tun; ip addr add",
        "",
        fault_builders.tunnel,
        word="unknown",
        verdict="unproven",
        says=f"has the address 10.99.9.1 on hand0, {UNMANAGED}",
    ),
    InjectedFault(
        "an address that the engine did not assign",
        "in db: ip addr add an address of back's",
        "",
        alias("db", "back", 201),
        word="unknown",
        verdict="unproven",
        says=UNMANAGED,
    ),
    InjectedFault(
        "a network namespace that is no container",
        "ip netns add; ip link add type veth, an end on BACK_BRIDGE",
        "stranger -> db:3306, stranger -> db:5353/udp, stranger -> app:5000, db -> stranger:*",
        fault_builders.member_namespace("veth"),
        says="is not in the file (network namespace",
    ),
    InjectedFault(
        "a macvlan in a network namespace that is no container",
        "ip netns add; ip link add link BACK_BRIDGE netns NAME type macvlan",
        "stranger -> db:3306, stranger -> db:5353/udp, stranger -> app:5000",
        fault_builders.member_namespace("macvlan"),
    ),
    InjectedFault(
        "a tunnel on the bridge",
        "ip link add type vxlan; ip link set master BACK_BRIDGE",
        "stranger -> db:3306, app -> stranger:*",
        commands(
            ("ip link add hand0 type vxlan id 77 remote 192.0.2.7 dstport 4789", "ip link del hand0"),
            ("ip link set hand0 master {back_bridge} up", "true"),
        ),
        word="unknown",
        verdict="unproven",
        says="hand0 is on the network: a port of the kind vxlan",
    ),
)
