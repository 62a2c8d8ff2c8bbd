"""The catalogue of holes: ways to open a wall of a running project behind the file's back, and what a proof says then.

Each was seen to open what it names. `python -m tests.integration.observe.fault_catalogue` writes the page of them.
"""

from __future__ import annotations

from tests.integration.observe import fault_builders
from tests.integration.observe.fault_builders import (
    Tampering,
    all_of,
    filtered_within,
    relay,
    rewritten,
    ruled,
    stranger,
    sysctl_within,
)
from tests.integration.observe.link_faults import BOTH, BY_ROUTES_AND_LINKS

ONE_DOOR = "-I DOCKER-USER -s {guest} -d {db} -p tcp --dport 3306"
TRANSLATED = "-m conntrack --ctstate DNAT -j ACCEPT"
BY_THE_ENGINE = (
    Tampering(
        "a second seat",
        "docker network connect FRONT db",
        f"{BOTH}, proxy -> db:*, db -> outside:*",
        fault_builders.second_seat,
    ),
    Tampering(
        "a second seat over IPv6",
        "docker network create --ipv6; docker network connect, db and guest",
        "guest -> db:* over IPv6, db -> guest:*/udp over IPv6",
        fault_builders.second_seat_over_ipv6,
    ),
    Tampering(
        "a container of another project on the network",
        "docker run --network BACK",
        "stranger -> db:3306, stranger -> db:5353/udp, stranger -> app:*, app -> stranger:*",
        stranger("back"),
    ),
    Tampering(
        "a container of another project in the database's namespace",
        "docker run --network container:db",
        "stranger -> db:3306, stranger -> app:5000",
        stranger("db"),
    ),
    Tampering(
        "a port published behind the file's back",
        "docker compose up with another file",
        "outside -> guest:7000",
        fault_builders.published_behind_the_file,
    ),
    Tampering(
        "a process of the engine's left over",
        "docker-proxy -host-port 13306 -container-ip DB -container-port 3306",
        "outside -> db:3306, guest -> db:3306",
        fault_builders.engines_proxy,
    ),
    Tampering(
        "a process that listens in the database's namespace",
        "nsenter --target DB --net PROGRAM",
        "app -> db:9999, proxy -> db:9999",
        fault_builders.listening_within,
        word="tolerated",
        verdict="proven",
    ),
)
BY_RULES = (
    ruled(
        "everything accepted where users may write rules",
        "-I DOCKER-USER -j ACCEPT",
        doors="outside -> db:3306, outside -> db:5353/udp, guest -> app:*, db -> outside:*",
    ),
    ruled(
        "everything forwarded",
        "-I FORWARD -j ACCEPT",
        doors="outside -> db:3306, outside -> guest:7000, guest -> db:*/udp, db -> outside:*/udp",
    ),
    ruled("whatever comes from a network", "-I FORWARD -s {front} -j ACCEPT", doors=f"{BOTH}, guest -> app:5000"),
    ruled(
        "whatever goes to a network, with no way back",
        "-I FORWARD -d {back} -j ACCEPT",
        doors="outside -> db:3306, guest -> db:5353/udp, guest -> app:*",
    ),
    ruled(
        "whatever leaves a network, with no way back",
        "-I FORWARD -i {back_bridge} -j ACCEPT",
        doors="db -> outside:*, db -> outside:*/udp, app -> guest:7000",
    ),
    ruled(
        "one container, from everywhere",
        "-I DOCKER-USER -d {app} -j ACCEPT",
        doors="guest -> app:*, guest -> app:*/udp, guest -> app:5000, "
        "outside -> app:*, outside -> app:*/udp, outside -> app:5000",
        only=True,
    ),
    ruled(
        "one port over TCP",
        "-I DOCKER-USER -d {back} -p tcp --dport 3306 -j ACCEPT",
        doors="guest -> db:3306, outside -> db:3306",
        only=True,
    ),
    ruled(
        "one port over UDP",
        "-I DOCKER-USER -d {back} -p udp --dport 5353 -j ACCEPT",
        doors="guest -> db:5353/udp, outside -> db:5353/udp",
        only=True,
    ),
    ruled(
        "datagrams alone",
        "-I DOCKER-USER -s {front} -d {back} -p udp -j ACCEPT",
        doors="guest -> app:*/udp, guest -> db:*/udp, guest -> db:5353/udp",
        only=True,
    ),
    ruled("one door between two containers", f"{ONE_DOOR} -j ACCEPT", doors="guest -> db:3306", only=True),
    ruled(
        "one packet a minute",
        f"{ONE_DOOR} -m limit --limit 1/min --limit-burst 1 -j ACCEPT",
        doors="guest -> db:3306",
        only=True,
    ),
    ruled(
        "every second packet",
        f"{ONE_DOOR} -m statistic --mode nth --every 2 --packet 1 -j ACCEPT",
        doors="guest -> db:3306",
        only=True,
    ),
    ruled(
        "new connections, by state",
        "-I DOCKER-USER -d {db} -m conntrack --ctstate NEW -j ACCEPT",
        doors="outside -> db:3306, guest -> db:*",
    ),
    ruled(
        "a mark, and a rule for the mark",
        "-t mangle -I PREROUTING -s {guest} -j MARK --set-mark 5",
        "-I FORWARD -m mark --mark 5 -j ACCEPT",
        doors="guest -> db:3306, guest -> app:*/udp",
    ),
    ruled(
        "a way out in the host's name",
        "-t nat -I POSTROUTING -s {db} -j MASQUERADE",
        "-I DOCKER-USER -s {db} -j ACCEPT",
        "-I DOCKER-USER -d {db} -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        doors="db -> outside:*, db -> outside:*/udp",
    ),
    ruled(
        "echo requests",
        "-I DOCKER-USER -p icmp -j ACCEPT",
        doors="",
        word="holds",
        verdict="proven",
        says="ICMP: echo requests of outside get to db, TCP and UDP do not",
    ),
    rewritten(
        "what no rule speaks about",
        "-P FORWARD ACCEPT",
        doors="outside -> guest:7000, outside -> proxy:*/udp",
        word="file",
    ),
    rewritten(
        "the walls between networks emptied",
        "-F DOCKER-ISOLATION-STAGE-1",
        doors="guest -> db:3306, guest -> app:*/udp",
    ),
    rewritten(
        "the packet filter emptied",
        "-F",
        "-P FORWARD ACCEPT",
        doors=f"outside -> db:3306, {BOTH}, db -> outside:*",
    ),
    rewritten(
        "one rule of the engine's deleted",
        "-D DOCKER-ISOLATION-STAGE-1 ! -s {back} -o {back_bridge} -j DROP",
        doors="guest -> db:3306, guest -> app:*",
    ),
)
BY_TRANSLATION = (
    rewritten(
        "a published port left to the engine's process",
        "-t nat -F DOCKER",
        doors="app -> proxy:80, db -> proxy:80",
        only=True,
    ),
    ruled(
        "a port of the host led to the database",
        "-t nat -I PREROUTING -p tcp --dport 13306 -j DNAT --to-destination {db}:3306",
        f"-I DOCKER-USER -d {{db}} {TRANSLATED}",
        f"-I DOCKER-USER -s {{db}} {TRANSLATED}",
        doors="outside -> db:3306",
    ),
    ruled(
        "a port of the host led to the database over UDP",
        "-t nat -I PREROUTING -p udp --dport 15353 -j DNAT --to-destination {db}:5353",
        f"-I DOCKER-USER -d {{db}} {TRANSLATED}",
        doors="outside -> db:5353/udp",
    ),
    ruled(
        "an address that nobody holds led to the database",
        "-t nat -I PREROUTING -d 203.0.113.5 -p tcp --dport 13306 -j DNAT --to-destination {db}:3306",
        doors="",
        word="unknown",
        verdict="unproven",
        says="nobody here holds that address to be asked",
    ),
    Tampering(
        "a port of a neighbour led to the database",
        "in proxy: iptables -t nat -I PREROUTING -p tcp --dport 13306 -j DNAT --to-destination DB:3306, and MASQUERADE",
        "guest -> db:3306",
        all_of(
            sysctl_within("proxy", "net/ipv4/ip_forward", "1"),
            filtered_within(
                "proxy",
                "-t nat -I PREROUTING -p tcp --dport 13306 -j DNAT --to-destination {db}:3306",
                "-t nat -I POSTROUTING -d {db} -j MASQUERADE",
            ),
        ),
    ),
    Tampering(
        "a relay in a neighbour",
        "in proxy: a process that leads port 13306 to db:3306",
        "guest -> proxy:13306",
        relay("proxy"),
        word="tolerated",
        verdict="proven",
    ),
    Tampering(
        "a relay on the host",
        "a process that leads port 13306 of the host to db:3306",
        "guest -> host:13306",
        relay(""),
        word="tolerated",
        verdict="proven",
    ),
)
HOLES = (*BY_THE_ENGINE, *BY_RULES, *BY_TRANSLATION, *BY_ROUTES_AND_LINKS)
