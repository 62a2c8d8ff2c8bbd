"""Injected faults that open a flow of a running project outside its file, and the expected result of a proof.

Each fault opens the flows that it names. `python -m tests.integration.observe.fault_catalogue` writes the page of them.
"""

from __future__ import annotations

from tests.integration.observe import fault_builders
from tests.integration.observe.fault_builders import (
    TRANSLATED,
    InjectedFault,
    all_of,
    by_iptables,
    by_nft,
    by_table_rewrite,
    filter_in_namespace,
    foreign_container,
    relay,
    sysctl_in_namespace,
)
from tests.integration.observe.link_faults import BOTH_DB_PORTS, BY_ROUTES_AND_LINKS

TO_DB_PORT = "-I DOCKER-USER -s {guest} -d {db} -p tcp --dport 3306"
WRITING_RULE = (
    "table ip mynat { chain pre { type filter hook prerouting priority -300; ip daddr 203.0.113.5 ip daddr set DB; }; }"
)
BY_THE_ENGINE = (
    InjectedFault(
        "a second attachment",
        "docker network connect FRONT db",
        f"{BOTH_DB_PORTS}, proxy -> db:*, db -> outside:*",
        fault_builders.second_network,
    ),
    InjectedFault(
        "a second attachment over IPv6",
        "docker network create --ipv6; docker network connect, db and guest",
        "guest -> db:* over IPv6, db -> guest:*/udp over IPv6",
        fault_builders.second_network_over_ipv6,
    ),
    InjectedFault(
        "a container of another project on the network",
        "docker run --network BACK",
        "stranger -> db:3306, stranger -> db:5353/udp, stranger -> app:*, app -> stranger:*",
        foreign_container("back"),
    ),
    InjectedFault(
        "a container of another project in the database's namespace",
        "docker run --network container:db",
        "stranger -> db:3306, stranger -> app:5000",
        foreign_container("db"),
    ),
    InjectedFault(
        "a published port that is not in the file",
        "docker compose up with another file",
        "outside -> guest:7000",
        fault_builders.published_outside_compose,
    ),
    InjectedFault(
        "a docker-proxy process that remained",
        "docker-proxy -host-port 13306 -container-ip DB -container-port 3306",
        "outside -> db:3306, guest -> db:3306",
        fault_builders.docker_proxy,
    ),
    InjectedFault(
        "a docker-proxy process of an engine in another namespace",
        "unshare --net docker-proxy -host-port 13306 -container-ip DB -container-port 3306",
        "",
        fault_builders.docker_proxy_elsewhere,
        word="holds",
        verdict="proven",
    ),
    InjectedFault(
        "a process that listens in the database's namespace",
        "nsenter --target DB --net PROGRAM",
        "app -> db:9999, proxy -> db:9999",
        fault_builders.listener_in_namespace,
        word="tolerated",
        verdict="proven",
    ),
)
BY_RULES = (
    by_iptables(
        "every packet accepted in DOCKER-USER",
        "-I DOCKER-USER -j ACCEPT",
        flows_named="outside -> db:3306, outside -> db:5353/udp, guest -> app:*, db -> outside:*",
    ),
    by_iptables(
        "every packet accepted in FORWARD",
        "-I FORWARD -j ACCEPT",
        flows_named="outside -> db:3306, outside -> guest:7000, guest -> db:*/udp, db -> outside:*/udp",
    ),
    by_iptables(
        "every packet from a network",
        "-I FORWARD -s {front} -j ACCEPT",
        flows_named=f"{BOTH_DB_PORTS}, guest -> app:5000",
    ),
    by_iptables(
        "every packet to a network, without replies",
        "-I FORWARD -d {back} -j ACCEPT",
        flows_named="outside -> db:3306, guest -> db:5353/udp, guest -> app:*",
    ),
    by_iptables(
        "every packet out of a network, without replies",
        "-I FORWARD -i {back_bridge} -j ACCEPT",
        flows_named="db -> outside:*, db -> outside:*/udp, app -> guest:7000",
    ),
    by_iptables(
        "every packet to one container",
        "-I DOCKER-USER -d {app} -j ACCEPT",
        flows_named="guest -> app:*, guest -> app:*/udp, guest -> app:5000, "
        "outside -> app:*, outside -> app:*/udp, outside -> app:5000",
        only=True,
    ),
    by_iptables(
        "one port over TCP",
        "-I DOCKER-USER -d {back} -p tcp --dport 3306 -j ACCEPT",
        flows_named="guest -> db:3306, outside -> db:3306",
        only=True,
    ),
    by_iptables(
        "one port over UDP",
        "-I DOCKER-USER -d {back} -p udp --dport 5353 -j ACCEPT",
        flows_named="guest -> db:5353/udp, outside -> db:5353/udp",
        only=True,
    ),
    by_iptables(
        "UDP alone",
        "-I DOCKER-USER -s {front} -d {back} -p udp -j ACCEPT",
        flows_named="guest -> app:*/udp, guest -> db:*/udp, guest -> db:5353/udp",
        only=True,
    ),
    by_iptables(
        "one port between two containers", f"{TO_DB_PORT} -j ACCEPT", flows_named="guest -> db:3306", only=True
    ),
    by_iptables(
        "one packet a minute",
        f"{TO_DB_PORT} -m limit --limit 1/min --limit-burst 1 -j ACCEPT",
        flows_named="guest -> db:3306",
        only=True,
    ),
    by_iptables(
        "every second packet",
        f"{TO_DB_PORT} -m statistic --mode nth --every 2 --packet 1 -j ACCEPT",
        flows_named="guest -> db:3306",
        only=True,
    ),
    by_iptables(
        "packets of new connections",
        "-I DOCKER-USER -d {db} -m conntrack --ctstate NEW -j ACCEPT",
        flows_named="outside -> db:3306, guest -> db:*",
    ),
    by_iptables(
        "packets with a mark",
        "-t mangle -I PREROUTING -s {guest} -j MARK --set-mark 5",
        "-I FORWARD -m mark --mark 5 -j ACCEPT",
        flows_named="guest -> db:3306, guest -> app:*/udp",
    ),
    by_iptables(
        "egress by masquerading",
        "-t nat -I POSTROUTING -s {db} -j MASQUERADE",
        "-I DOCKER-USER -s {db} -j ACCEPT",
        "-I DOCKER-USER -d {db} -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        flows_named="db -> outside:*, db -> outside:*/udp",
    ),
    by_iptables(
        "echo requests",
        "-I DOCKER-USER -p icmp -j ACCEPT",
        flows_named="",
        word="holds",
        verdict="proven",
        says="ICMP: echo requests from outside reach db, TCP and UDP do not",
    ),
    by_table_rewrite(
        "the FORWARD policy set to ACCEPT",
        "-P FORWARD ACCEPT",
        flows_named="outside -> guest:7000, outside -> proxy:*/udp",
        word="file",
    ),
    by_table_rewrite(
        "the isolation chain flushed",
        "-F DOCKER-ISOLATION-STAGE-1",
        flows_named="guest -> db:3306, guest -> app:*/udp",
    ),
    by_table_rewrite(
        "the packet filter flushed",
        "-F",
        "-P FORWARD ACCEPT",
        flows_named=f"outside -> db:3306, {BOTH_DB_PORTS}, db -> outside:*",
    ),
    by_table_rewrite(
        "one of the engine's rules deleted",
        "-D DOCKER-ISOLATION-STAGE-1 ! -s {back} -o {back_bridge} -j DROP",
        flows_named="guest -> db:3306, guest -> app:*",
    ),
)
BY_NAT = (
    by_table_rewrite(
        "a published port served by docker-proxy alone",
        "-t nat -F DOCKER",
        flows_named="app -> proxy:80, db -> proxy:80",
        only=True,
    ),
    by_iptables(
        "DNAT of a host port to the database",
        "-t nat -I PREROUTING -p tcp --dport 13306 -j DNAT --to-destination {db}:3306",
        f"-I DOCKER-USER -d {{db}} {TRANSLATED}",
        f"-I DOCKER-USER -s {{db}} {TRANSLATED}",
        flows_named="outside -> db:3306",
    ),
    by_iptables(
        "DNAT of a host port to the database over UDP",
        "-t nat -I PREROUTING -p udp --dport 15353 -j DNAT --to-destination {db}:5353",
        f"-I DOCKER-USER -d {{db}} {TRANSLATED}",
        flows_named="outside -> db:5353/udp",
    ),
    by_nft(
        "DNAT in a native table of nftables",
        "tcp dport 13306 dnat to DB:3306",
        flows_named="outside -> db:3306",
    ),
    by_nft(
        "DNAT in a native table of nftables, by a set of ports",
        "tcp dport { 13306, 14000-14010 } dnat to DB:3306",
        flows_named="outside -> db:3306",
    ),
    by_nft(
        "DNAT in a native table of nftables, by a map",
        "dnat to tcp dport map @targets",
        tables="map targets { type inet_service : ipv4_addr . inet_service; elements = { 13306 : DB . 3306 }; };",
        flows_named="outside -> db:3306",
    ),
    by_nft(
        "DNAT in a native table of nftables, by a verdict map",
        "udp dport vmap { 15353 : jump to_db }",
        tables="chain to_db { ip protocol udp dnat to DB:5353; };",
        flows_named="outside -> db:5353/udp",
    ),
    InjectedFault(
        "a rule of nftables that writes into packets",
        f"nft '{WRITING_RULE}'",
        "",
        fault_builders.nft_table(WRITING_RULE),
        word="unknown",
        verdict="unproven",
        says="has a rule that writes into the packet's destination",
    ),
    by_iptables(
        "DNAT of an unused address to the database",
        "-t nat -I PREROUTING -d 203.0.113.5 -p tcp --dport 13306 -j DNAT --to-destination {db}:3306",
        flows_named="",
        word="unknown",
        verdict="unproven",
        says="no namespace here has that address, so it is not probed",
    ),
    InjectedFault(
        "DNAT of another container's port to the database",
        "in proxy: iptables -t nat -I PREROUTING -p tcp --dport 13306 -j DNAT --to-destination DB:3306, and MASQUERADE",
        "guest -> db:3306",
        all_of(
            sysctl_in_namespace("proxy", "net/ipv4/ip_forward", "1"),
            filter_in_namespace(
                "proxy",
                "-t nat -I PREROUTING -p tcp --dport 13306 -j DNAT --to-destination {db}:3306",
                "-t nat -I POSTROUTING -d {db} -j MASQUERADE",
            ),
        ),
    ),
    InjectedFault(
        "a port of the database that its namespace redirects to another",
        "in db: iptables -t nat -I PREROUTING -p tcp --dport 13306 -j REDIRECT --to-ports 3307",
        "app -> db:3307, proxy -> db:3307",
        filter_in_namespace("db", "-t nat -I PREROUTING -p tcp --dport 13306 -j REDIRECT --to-ports 3307"),
        word="tolerated",
        verdict="proven",
    ),
    InjectedFault(
        "a relay in another container",
        "in proxy: a process that forwards port 13306 to db:3306",
        "guest -> proxy:13306",
        relay("proxy"),
        word="tolerated",
        verdict="proven",
    ),
    InjectedFault(
        "a relay on the host",
        "a process that forwards port 13306 of the host to db:3306",
        "guest -> host:13306",
        relay(""),
        word="tolerated",
        verdict="proven",
    ),
)
OPENING_FAULTS = (*BY_THE_ENGINE, *BY_RULES, *BY_NAT, *BY_ROUTES_AND_LINKS)
