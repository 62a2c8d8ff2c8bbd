"""The rules of other tools as needs: the labels of whalewall, and the rules of ufw-docker."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.sample_documents import service

from cloison.compose import project as compose_project
from cloison.draft import ufw_docker, whalewall
from cloison.draft.imported import Imported
from cloison.errors import FileError

LABEL = "services.web.labels.whalewall.rules"
FILE = "user.rules"


def document(labels: dict[str, str] | None = None, **web: Any) -> dict[str, Any]:
    """Return a resolved document whose service web has labels."""
    services = {
        "web": {**service("net", ports=("8080:80", "127.0.0.1:9000:9000", "53:53/udp")), "labels": labels, **web},
        "db": {**service("net", ports=("5432:5432",)), "container_name": "database"},
        "cache": service("net"),
    }
    return {"name": "shop", "services": services, "networks": {"net": {"name": "shop_net"}}}


def labelled(rules: str, enabled: str = "true") -> Imported:
    """Return what the labels of web say."""
    body = document({whalewall.ENABLED: enabled, whalewall.RULES: rules})
    return whalewall.imported(compose_project.project(body), body)


def routed(*rules: str, **web: Any) -> Imported:
    """Return what rules of ufw say."""
    body = document(**web)
    return ufw_docker.imported(compose_project.project(body), body, "".join(f"{rule}\n" for rule in rules), FILE)


def texts(found: Imported) -> list[str]:
    """Return the needs as lines of a policy."""
    return [need.text for need in found.needs]


def test_whalewall_lets_clients_in_on_mapped_ports() -> None:
    external = "mapped_ports: {external: {allow: true}}"

    assert ["outside -> web:80", "outside -> web:53/udp"] == texts(labelled(external))
    assert ["outside -> web:80", "outside -> web:53/udp"] == texts(labelled(external.replace("allow", "allowed")))
    assert ["host -> web:80", "host -> web:9000", "host -> web:53/udp"] == texts(
        labelled("mapped_ports: {localhost: {allow: true}, external: {allow: false}}")
    )
    limited = labelled("mapped_ports: {external: {allow: true, ip: 192.168.1.0/24, log_prefix: x}}")
    where = f"{LABEL}.mapped_ports.external"
    assert (
        whalewall.NO_COUNTERPART.format(origin=where),
        whalewall.ANY_CLIENT.format(origin=where, addresses="192.168.1.0/24"),
    ) == limited.sentences
    assert where == limited.needs[0].origin


@pytest.mark.parametrize("name", ["db", "database", "shop-db-1", "shop_db_1"])
def test_whalewall_names_a_container_or_a_service(name: str) -> None:
    found = labelled(f"output: [{{network: default, container: {name}, proto: tcp, port: 5432}}]")

    assert ["web -> db:5432"] == texts(found)
    assert f"{LABEL}.output[0]" == found.needs[0].origin


def test_whalewall_has_lists_of_ports_in_later_releases() -> None:
    found = labelled("output: [{container: db, proto: udp, dst_ports: [1, 2]}]")

    assert ["web -> db:1/udp", "web -> db:2/udp"] == texts(found)


@pytest.mark.parametrize(
    ("rule", "needs", "sentence"),
    [
        (
            "{proto: tcp, port: 443}",
            ["web -> outside"],
            whalewall.ANY_TARGET.format(what="tcp to port 443", origin="{}"),
        ),
        (
            "{proto: tcp, port: 80, ips: [1.1.1.1, example]}",
            ["web -> outside"],
            whalewall.ANY_TARGET.format(what="tcp to port 80 of 1.1.1.1, example", origin="{}"),
        ),
        ("{proto: tcp, port: 80, ip: 10.0.0.0/8}", [], whalewall.PRIVATE.format(address="10.0.0.0/8", origin="{}")),
        ("{proto: udp, port: 53}", [], whalewall.NAMES),
        ("{proto: tcp, port: 0}", [], whalewall.NO_PORT),
        ("{port: 80}", [], whalewall.NO_PORT),
        ("{container: other, proto: tcp, port: 80}", [], whalewall.NO_CONTAINER.format(name="other", origin="{}")),
    ],
)
def test_what_a_policy_cannot_say_of_an_output_is_a_sentence(rule: str, needs: list[str], sentence: str) -> None:
    found = labelled(f"output: [{rule}]")

    assert needs == texts(found)
    assert (sentence.replace("{origin}", "{}").format(f"{LABEL}.output[0]"),) == found.sentences


def test_a_service_without_the_label_is_not_spoken_about() -> None:
    assert Imported((), (), frozenset({"web"})) == labelled("")
    assert Imported((), ()) == labelled("output: [{proto: tcp, port: 1}]", enabled="false")


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ("{", "this is no YAML"),
        ("[1]", "expected a mapping with mapped_ports and output"),
        ("mapped_ports: [1]", "mapped_ports: expected a mapping"),
        ("output: {a: b}", "output: expected a list of rules"),
        ("output: [a]", r"output\[0\]: expected a mapping"),
    ],
)
def test_a_label_that_whalewall_would_not_read_is_an_error(rules: str, sentence: str) -> None:
    with pytest.raises(FileError, match=f"^{LABEL}.*{sentence}"):
        labelled(rules)


def comment(text: str) -> str:
    """Return a comment as ufw writes it."""
    return f"comment={text.encode().hex()}"


def tuple_(rest: str) -> str:
    """Return the line with which ufw describes a rule about forwarded packets."""
    return f"### tuple ### route:{rest}"


def test_ufw_docker_names_the_container_in_a_comment() -> None:
    found = routed(
        "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in",
        tuple_(f"allow tcp 80 172.18.0.2 any 0.0.0.0/0 in {comment('allow shop-web-1 80/tcp')}"),
        "-A ufw-user-forward -p tcp -d 172.18.0.2 --dport 80 -j ACCEPT",
        tuple_(f"allow_log any any 172.18.0.3 any 0.0.0.0/0 in {comment('allow database')}"),
    )

    assert ["outside -> web:80", "outside -> db:5432"] == texts(found)
    assert ("user.rules:2", (ufw_docker.PRIVATE_CLIENTS,)) == (found.needs[0].origin, found.sentences)


def test_a_rule_about_every_container_is_about_those_that_publish_the_port() -> None:
    every = "0.0.0.0/0 any 0.0.0.0/0"

    assert ["outside -> db:5432"] == texts(routed(tuple_(f"allow tcp 5432 {every} in_eth0!out_docker0")))
    assert ["outside -> db:5432", "outside -> web:80"] == texts(routed(tuple_(f"allow any 80,5000:5500 {every} in")))
    assert ["outside -> web:53/udp"] == texts(routed(tuple_(f"allow udp 1:100 {every} in")))


def test_a_fixed_address_names_its_service() -> None:
    web = {"networks": {"net": {"ipv4_address": "172.18.0.9"}}}

    assert ["outside -> web:80"] == texts(routed(tuple_("allow tcp 80 172.18.0.9 any 0.0.0.0/0 in"), **web))


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("deny tcp 80 0.0.0.0/0 any 0.0.0.0/0 in", ufw_docker.NOT_ALLOW),
        ("allow tcp x 0.0.0.0/0 any 0.0.0.0/0 in", ufw_docker.NOT_READ),
        (
            "allow tcp 80 172.18.0.7 any 0.0.0.0/0 in",
            ufw_docker.NO_SERVICE.format(where="{where}", address="172.18.0.7"),
        ),
        ("allow tcp 81 any any any in", ufw_docker.NOT_PUBLISHED.format(where="{where}", name="the project")),
        (
            f"allow tcp 9000 172.18.0.2 any any in {comment('allow web 9000/tcp')}",
            ufw_docker.NOT_PUBLISHED.format(where="{where}", name="web"),
        ),
        ("allow tcp 80 any any 10.0.0.0/8 in", ufw_docker.ANY_CLIENT.format(where="{where}", source="10.0.0.0/8")),
    ],
)
def test_what_a_policy_cannot_say_of_a_route_is_a_sentence(rule: str, sentence: str) -> None:
    assert sentence.format(where="user.rules:1") == routed(tuple_(rule)).sentences[0]


def test_without_a_rule_about_containers_no_client_is_let_in() -> None:
    found = routed("### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in")

    assert ((), (ufw_docker.NO_ROUTES.format(file=FILE),)) == (found.needs, found.sentences)
