"""The document of a rehearsal keeps the networks of a Compose file, and notes name the parts that change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.engine.labels import REHEARSAL_LABEL
from cloison.model.facts import NetworkFacts
from cloison.model.flow import Protocol
from cloison.rehearse.compose_file import HostEnvironment, Rehearsal, rehearsal
from cloison.verdict import flow_enumeration

NAME = "shop-rehearsal-0a1b2c"
IMAGE = "cloison/idle:0a1b2c"
HERE = HostEnvironment(
    subnets=("198.18.4.0/24", "192.0.2.0/24", "2001:db8:7::/64"),
    addresses=("127.0.0.1", "192.0.2.2", "::1"),
    networks={
        "lent": NetworkFacts(
            "lent", internal=True, options=(("com.docker.network.bridge.name", "br7"), ("mtu", "1400"))
        ),
        "open": NetworkFacts("open"),
        "vlan": NetworkFacts("vlan", driver="macvlan"),
        "host": NetworkFacts("host", driver="host"),
    },
)


def rehearsed(
    services: dict[str, Any], networks: dict[str, Any] | None = None, rules: Any = None, around: HostEnvironment = HERE
) -> Rehearsal:
    """Return the rehearsal of a resolved document."""
    document = {"name": "shop", "services": services, "networks": networks}
    return rehearsal(document | ({"x-cloison": rules} if rules else {}), NAME, IMAGE, around)


def stand_in(**body: Any) -> dict[str, Any]:
    """Return the stand-in for one service, without the keys that every stand-in has."""
    found = dict(rehearsed({"it": body}).document["services"]["it"])
    return {key: found[key] for key in found if key not in ALWAYS}


def network(**body: Any) -> tuple[dict[str, Any], Rehearsal]:
    """Return the stand-in for a network with one service on it."""
    found = rehearsed({"it": {"networks": {"net": {"ipv4_address": "198.18.4.9", "aliases": ["x"]}}}}, {"net": body})
    return dict(found.document["networks"]["net"]), found


ALWAYS = {
    "image": IMAGE,
    "labels": {REHEARSAL_LABEL: NAME},
    "pull_policy": "never",
    "restart": "no",
    "cap_drop": ["ALL"],
    "stop_signal": "SIGKILL",
}
MARKED = {"name": f"{NAME}_net", "labels": {REHEARSAL_LABEL: NAME}}


def test_a_service_keeps_its_networks_and_no_program() -> None:
    found = stand_in(
        networks={"default": {"aliases": ["db"], "ipv4_address": "198.18.9.9", "mac_address": "02:42:ac:11:65:43"}},
        deploy={"replicas": 2, "resources": {}},
        scale=2,
        expose=["80"],
        sysctls={"net.ipv4.ip_forward": "1", "kernel.shmmax": "1"},
        image="postgres",
        build={"context": "/nowhere"},
        command=["rm"],
        entrypoint=["rm"],
        environment={"KEY": "secret"},
        env_file=["/etc/shadow"],
        volumes=[{"type": "bind"}],
        secrets=[{"source": "key"}],
        configs=[{"source": "conf"}],
        healthcheck={"test": "x"},
        depends_on={"other": {"condition": "service_healthy"}},
        devices=["/dev/kvm"],
        privileged=True,
        container_name="db",
        extra_hosts=["a=b"],
        links=["other"],
        profiles=["x"],
    )

    assert {
        "networks": {"default": {"aliases": ["db"], "ipv4_address": "198.18.9.9"}},
        "deploy": {"replicas": 2},
        "scale": 2,
        "expose": ["80"],
        "sysctls": {"net.ipv4.ip_forward": "1"},
    } == found


def test_every_container_is_idle_and_labelled() -> None:
    service = rehearsed({"it": {"networks": {"default": None}}}).document["services"]["it"]

    assert ALWAYS | {"networks": {"default": None}} == service


def test_sections_other_than_services_networks_and_policy_are_left_out() -> None:
    document = {"name": "shop", "services": {}, "volumes": {"data": {}}, "secrets": {"key": {"file": "x"}}, "x-a": 1}

    assert {"name": NAME, "services": {}, "networks": {}} == rehearsal(document, NAME, IMAGE, HERE).document


def test_the_first_note_says_that_it_is_a_rehearsal() -> None:
    assert rehearsed({}).notes[0].startswith("a rehearsal of shop: an idle container stood in for every service")


@pytest.mark.parametrize(
    ("port", "moved", "note"),
    [
        ({"target": 80, "published": "8080", "mode": "ingress"}, {}, ""),
        ({"target": 80, "host_ip": "0.0.0.0", "published": "80"}, {"host_ip": "0.0.0.0"}, ""),
        ({"target": 80, "host_ip": "127.0.0.1", "published": "80"}, {"host_ip": "127.0.0.1"}, ""),
        ({"target": 80, "host_ip": "127.0.0.9"}, {"host_ip": "127.0.0.9"}, ""),
        ({"target": 80, "host_ip": "192.0.2.2"}, {"host_ip": "192.0.2.2"}, ""),
        ({"target": 80, "host_ip": "::"}, {"host_ip": "::"}, ""),
        ({"target": 80, "protocol": "udp"}, {"protocol": "udp"}, ""),
        ({"target": 80, "host_ip": "203.0.113.7"}, {}, "it:80 is published on 203.0.113.7, which is not an address of"),
    ],
)
def test_a_published_port_keeps_its_host_address_and_loses_its_host_port(
    port: dict[str, Any], moved: dict[str, Any], note: str
) -> None:
    found = rehearsed({"it": {"networks": {}, "ports": [port]}})

    assert [{"target": 80, "protocol": "tcp"} | moved] == found.document["services"]["it"]["ports"]
    assert note in " ".join(found.notes[1:])
    assert bool(note) == bool(found.notes[1:])


def test_a_port_of_sctp_is_exposed_and_not_published() -> None:
    found = stand_in(ports=[{"target": 38412, "protocol": "sctp"}, {"target": 80, "protocol": "tcp"}], expose=["81"])

    assert [{"target": 80, "protocol": "tcp"}] == found["ports"]
    assert ["81", "38412/sctp"] == found["expose"]


def test_one_port_on_two_host_ports_is_published_once() -> None:
    ports = [{"target": 80, "published": "80"}, {"target": 80, "published": "8080"}]

    assert [{"target": 80, "protocol": "tcp"}] == stand_in(ports=ports, networks={})["ports"]


def test_a_network_keeps_its_isolation_options_and_loses_its_name() -> None:
    found, result = network(
        name="prod",
        internal=True,
        attachable=True,
        enable_ipv6=False,
        labels={"a": "b"},
        driver="bridge",
        driver_opts={"com.docker.network.bridge.enable_icc": "false", "com.docker.network.bridge.name": "br0", "n": 1},
        ipam={"config": [{"subnet": "198.18.5.0/24", "gateway": "198.18.5.1"}]},
    )

    assert (
        MARKED
        | {
            "internal": True,
            "enable_ipv6": False,
            "driver_opts": {"com.docker.network.bridge.enable_icc": "false", "n": "1"},
            "ipam": {"config": [{"subnet": "198.18.5.0/24", "gateway": "198.18.5.1"}]},
        }
        == found
    )
    assert {"ipv4_address": "198.18.4.9", "aliases": ["x"]} == result.document["services"]["it"]["networks"]["net"]
    assert not result.notes[1:]


def test_a_subnet_in_use_and_static_addresses_in_it_are_left_out() -> None:
    pools = [{"subnet": "198.18.0.0/16"}, {"subnet": "2001:db8:7::/80"}, {"subnet": "2001:db8:8::/64"}]
    found, result = network(enable_ipv6=True, ipam={"driver": "default", "config": pools})

    assert (
        MARKED
        | {
            "driver_opts": {},
            "ipam": {"driver": "default", "config": [{"subnet": "2001:db8:8::/64"}]},
        }
        == found
    )
    assert {"aliases": ["x"]} == result.document["services"]["it"]["networks"]["net"]
    assert result.notes[1:] == (
        "network net: 198.18.0.0/16 is in use here (198.18.4.0/24), so another subnet stood in",
        "network net: 2001:db8:7::/80 is in use here (2001:db8:7::/64), so another subnet stood in",
    )


@pytest.mark.parametrize("subnet", ["nonsense", ""])
def test_an_invalid_subnet_is_left_to_the_engine(subnet: str) -> None:
    assert {"config": [{"subnet": subnet}]} == network(ipam={"config": [{"subnet": subnet}]})[0]["ipam"]


@pytest.mark.parametrize(
    ("namespace_owner", "fresh", "words"),
    [
        ("lent", {"internal": True, "driver_opts": {"mtu": "1400"}}, "a new internal network stood in for lent"),
        ("open", {"internal": False, "driver_opts": {}}, "a new network stood in for open"),
    ],
)
def test_a_new_network_stands_in_for_an_external_one(namespace_owner: str, fresh: dict[str, Any], words: str) -> None:
    found, result = network(name=namespace_owner, external=True)

    assert MARKED | fresh == found
    assert {"aliases": ["x"]} == result.document["services"]["it"]["networks"]["net"]
    assert words in result.notes[1]
    assert not result.left_out


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nobody", "this engine has no network nobody: whether it is internal, or a bridge, is not known"),
        ("vlan", "a bridge stood in for vlan, whose driver macvlan isolates in another way"),
        ("host", "a bridge stood in for host, whose driver host isolates in another way"),
    ],
)
def test_nothing_is_proven_on_an_external_network_that_is_no_bridge_here(name: str, why: str) -> None:
    found, result = network(name=name, external=True)

    assert MARKED == found
    assert (("network net", f"it is external, and {why}"),) == result.left_out


def test_an_external_network_without_a_name_is_called_by_its_key() -> None:
    assert "this engine has no network net:" in network(external=True)[1].left_out[0][1]


def test_a_network_with_another_driver_is_reported_as_left_out() -> None:
    found, result = network(driver="macvlan", driver_opts={"parent": "eth0"}, internal=True, enable_ipv6=True)
    why = "a bridge stood in for the driver macvlan, which isolates in another way"

    assert MARKED | {"internal": True} == found
    assert (("network net", why),) == result.left_out


def test_an_unused_network_has_no_note() -> None:
    found = rehearsed({"it": {"networks": {}}}, {"net": {"external": True}, "lan": {"driver": "ipvlan"}})

    assert {"net", "lan"} == set(found.document["networks"])
    assert not found.left_out
    assert not found.notes[1:]


def test_a_service_in_a_foreign_namespace_is_left_out_with_its_sharers_and_rules() -> None:
    rules = {
        "allow": ["it -> it:80", "vpn -> outside", "* -> guest:80", 7],
        "tolerate": [{"flow": "it -> tail", "why": "x"}, {"network": "default", "why": "y"}],
    }
    found = rehearsed(
        {
            "tail": {"network_mode": "service:guest"},
            "guest": {"network_mode": "service:vpn"},
            "vpn": {"network_mode": "container:gluetun"},
            "it": {"networks": {"default": None}},
            "side": {"network_mode": "service:it"},
        },
        {"default": {}},
        rules,
    )

    why = "it shares the network namespace of container gluetun, which is not part of the file"
    assert ["it", "side"] == list(found.document["services"])
    assert [("service guest", why), ("service tail", why), ("service vpn", why)] == sorted(found.left_out)
    assert {
        "allow": ["it -> it:80", 7],
        "tolerate": [{"network": "default", "why": "y"}],
    } == found.document["x-cloison"]
    assert 3 == sum("was not judged" in note for note in found.notes)


def test_groups_and_lists_lose_the_services_that_are_left_out() -> None:
    rules = {
        "groups": {"tunnels": ["guest", "vpn"], "all": ["it", "vpn"], "text": "it", "empty": []},
        "allow": ["it, vpn -> outside", "tunnels -> outside"],
        "tolerate": [{"flow": "it, guest -> it", "why": "x"}],
    }
    found = rehearsed(
        {
            "guest": {"network_mode": "service:vpn"},
            "vpn": {"network_mode": "container:gluetun"},
            "it": {"networks": {"default": None}},
        },
        {"default": {}},
        rules,
    )

    kept = found.document["x-cloison"]
    assert kept["groups"] == {"all": ["it"], "text": "it", "empty": []}
    assert kept["allow"] == ["it -> outside"]
    assert kept["tolerate"] == [{"flow": "it -> it", "why": "x"}]
    assert sum("was judged without the services that are left out" in note for note in found.notes) == 2


@pytest.mark.parametrize("rules", [{"allow": None}, "nonsense"])
def test_a_policy_is_not_changed(rules: Any) -> None:
    services = {"vpn": {"network_mode": "container:x"}, "it": {"networks": {"default": None}}}

    assert rules == rehearsed(services, None, rules).document["x-cloison"]
    assert rules == rehearsed({}, None, rules).document["x-cloison"]


def test_the_ports_of_a_namespace_are_those_of_all_its_services() -> None:
    project = compose_project.project(
        {
            "name": "shop",
            "services": {
                "db": {"expose": ["3306"]},
                "dump": {"network_mode": "service:db", "ports": [{"target": 9000, "protocol": "udp"}]},
                "app": {},
            },
            "x-cloison": {"allow": ["app -> dump:22", "db -> app:5000"]},
        }
    )
    rules = policy.policy(project)
    named = {name: policy.named_ports(rules, name) for name in project.services}

    assert {
        "db": {(Protocol.TCP, 3306), (Protocol.UDP, 9000), (Protocol.TCP, 22)},
        "app": {(Protocol.TCP, 5000)},
    } == flow_enumeration.declared_ports(project, named)


@pytest.mark.parametrize(
    ("body", "servers"),
    [
        ({}, ["198.51.100.2"]),
        ({"network_mode": "bridge"}, ["198.51.100.2"]),
        ({"network_mode": "none"}, None),  # the engine refuses a name server where there is no network of its own
        ({"network_mode": "host"}, None),
    ],
)
def test_the_external_host_is_the_name_server_of_services_with_a_network(
    body: dict[str, Any], servers: list[str] | None
) -> None:
    around = replace(HERE, resolver="198.51.100.2")

    assert servers == rehearsed({"it": body}, around=around).document["services"]["it"].get("dns")
    assert "dns" not in rehearsed({"it": body}).document["services"]["it"]
