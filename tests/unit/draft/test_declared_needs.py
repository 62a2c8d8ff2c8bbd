"""The needs that a Compose file shows, each with the place that shows it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.sample_documents import service

from cloison.compose import project as compose_project
from cloison.draft.declared_needs import declared_needs
from cloison.draft.named_hosts import NamedHost, named_hosts
from cloison.draft.need import Need, certain, port_ranges, rules
from cloison.draft.usual_ports import image_name, scheme_port
from cloison.model.flow import Protocol


def document(**services: Any) -> dict[str, Any]:
    return {"name": "shop", "services": services, "networks": {"net": {}}}


def needs(**services: Any) -> dict[str, str]:
    """Return the needs of services as text, with their origins."""
    known = document(**services)
    return {need.text: need.origin for need in declared_needs(compose_project.project(known), known)}


def test_a_published_port_is_needed_by_the_outside_unless_it_is_on_loopback() -> None:
    web = service("net", ports=("8080:80", "8081:81/udp", "127.0.0.1:9000:9000"))

    assert {
        "outside -> web:80": "published in services.web.ports",
        "outside -> web:81/udp": "published in services.web.ports",
    } == needs(web=web)


def test_consecutive_published_ports_are_one_range() -> None:
    assert ["outside -> web:80-82"] == [*needs(web=service("net", ports=("80:80", "81:81", "82:82")))]


def test_the_engine_publishes_no_port_of_a_service_in_the_hosts_network() -> None:
    assert {} == needs(web=service(ports=("80:80",), network_mode="host"))


def test_a_dependency_needs_the_ports_that_its_target_declares() -> None:
    found = needs(web=service("net", depends_on={"db": {}}), db=service("net", expose=(5432, 5433)))

    assert {"web -> db:5432-5433": "services.web.depends_on; services.db declares the port"} == found


def test_a_dependency_needs_the_usual_port_of_an_image_where_its_target_declares_none() -> None:
    found = needs(
        web=service("net", depends_on={"db": {}}), db=service("net", image="registry.example/x/postgres:16@sha256:0")
    )

    origin = "services.web.depends_on; services.db declares no port, and 5432 is the usual one of postgres"
    assert {"web -> db:5432": origin} == found


def test_a_dependency_on_an_unknown_image_needs_no_known_port() -> None:
    found = needs(web=service("net", links=["api:backend"]), api=service("net", image="own/api"))

    assert {"web -> api": "services.web.links; no port of services.api is known"} == found


def test_waiting_for_a_service_to_complete_is_no_connection() -> None:
    web = service("net", depends_on={"job": {"condition": "service_completed_successfully"}})

    assert {} == needs(web=web, job=service("net", expose=(1,)))


def test_a_dependency_or_a_link_without_its_service_is_left_out() -> None:
    assert {} == needs(web=service("net", depends_on={"gone": {}}, links=["lost"]))


@pytest.mark.parametrize(
    "setting",
    [
        {"environment": {"DATABASE_URL": "postgres://user:p%40ss@db:5432/shop"}},
        {"environment": {"DATABASE_URL": "postgresql+asyncpg://db/shop"}},
        {"environment": {"DB_HOST": "db", "DB_PORT": "5432"}},
        {"environment": {"PGHOST": "db", "PGPORT": "5432"}},
        {"environment": {"DSN": "user:secret@tcp(db:5432)/shop"}},
        {"environment": {"DB_HOST": "database", "DB_PORT": "5432"}, "links": ["db:database"]},
        {"environment": {"DB_HOST": "store", "DB_PORT": "5432"}},
        {"environment": {"DB_HOST": "pg-1", "DB_PORT": "5432"}},
        {"command": ["serve", "--database=db:5432"]},
        {"command": "serve --database db:5432"},
    ],
)
def test_a_setting_that_names_a_service_and_a_port_needs_it(setting: dict[str, Any]) -> None:
    db = {"networks": {"net": {"aliases": ["store"]}}, "container_name": "pg-1", "image": "own/db"}
    found = needs(web=service("net", **setting), db=db)

    assert "web -> db:5432" in found
    assert "secret" not in str(found)


def test_a_host_without_a_port_needs_the_ports_that_the_service_declares() -> None:
    found = needs(web=service("net", environment={"REDIS_HOST": "redis"}), redis=service("net", expose=(6379,)))

    assert {"web -> redis:6379": "services.web.environment.REDIS_HOST; services.redis declares the port"} == found


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SMTP_HOST", "smtp.mailgun.org", ["web -> outside"]),
        ("S3_ENDPOINT", "https://s3.eu-west-1.amazonaws.com", ["web -> outside"]),
        ("PUBLIC_URL", "https://shop.example.com", []),
        ("SMTP_HOST", "mail.lan", []),
        ("UPSTREAM", "http://host.docker.internal:8000", ["web -> host"]),
        ("SMTP_HOST", "", []),
    ],
)
def test_only_a_telling_variable_needs_the_internet(name: str, value: str, expected: list[str]) -> None:
    assert expected == [*needs(web=service("net", environment={name: value}))]


def test_services_of_one_namespace_need_nothing_of_each_other() -> None:
    side = service(network_mode="service:web", depends_on={"web": {}})

    assert {} == needs(web=service("net", expose=(80,)), side=side)


def test_every_host_of_a_list_is_named() -> None:
    found = {*named_hosts({"MONGO": "mongodb://u:p@a:1,b/db", "KAFKA_BROKERS": "c:9092,d:9092", "NODES": "e, f"}, None)}

    assert {
        NamedHost("environment.MONGO", "a", 1, "mongodb"),
        NamedHost("environment.MONGO", "b", 27017, "mongodb"),
        NamedHost("environment.KAFKA_BROKERS", "c", 9092),
        NamedHost("environment.KAFKA_BROKERS", "d", 9092),
        NamedHost("environment.NODES", "e"),
        NamedHost("environment.NODES", "f"),
    } == found


@pytest.mark.parametrize("value", ["http://[::1]:80/", "12:34:56", "a:99999", "a:0", "path/db:5432", "x.y:1.2"])
def test_a_text_that_is_no_host_with_a_port_names_none(value: str) -> None:
    assert [] == [*named_hosts({"A": value}, [7])]


def test_a_need_replaces_the_guesses_between_the_same_places() -> None:
    project = compose_project.project(document(a=service("net"), b=service("net"), c=service("net")))
    exact, guess = Need("a", "b", port=5433), Need("a", "b", port=5432, is_guess=True)
    unknown, other = Need("a", "b"), Need("a", "c", port=1, is_guess=True)

    assert [exact, other] == certain(project, [exact, guess, unknown, other])
    assert [unknown, guess] == certain(project, [guess, unknown])


def test_a_line_has_all_ports_between_two_places_and_all_origins() -> None:
    found = rules(
        [
            Need("b", "a", port=80, origin="x"),
            Need("b", "a", port=90, last_port=92, origin="y"),
            Need("b", "a", Protocol.UDP, 53, origin="z"),
            Need("outside", "b", port=1),
        ]
    )

    assert ["outside -> b:1", "b -> a:80,90-92", "b -> a:53/udp"] == [rule.text for rule in found]
    assert ("x", "y") == found[1].origins


def test_ports_are_grouped_into_ranges_of_one_protocol() -> None:
    ports = [(Protocol.TCP, 1), (Protocol.UDP, 2), (Protocol.TCP, 2), (Protocol.TCP, 9)]

    assert [(Protocol.TCP, 1, 2), (Protocol.TCP, 9, 0), (Protocol.UDP, 2, 0)] == port_ranges(ports)
    assert [] == port_ranges([])


def test_the_names_of_images_and_schemes_are_read() -> None:
    assert ["postgres", "postgis", ""] == [image_name(t) for t in ("postgres", "r:5000/postgis/postgis:1@sha256:0", "")]
    assert [5432, 0] == [scheme_port("PostgreSQL+asyncpg"), scheme_port("ftp")]
