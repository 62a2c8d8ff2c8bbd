"""Unmanaged addresses and redirect candidates are probed from the right vantages."""

from __future__ import annotations

import pytest

from cloison.compose.project import Project, project
from cloison.model.facts import Attachment, Container, EngineFacts, Facts, NetworkFacts, PublishedPort, UnmanagedAddress
from cloison.model.flow import EndpointKind, Flow, Protocol
from cloison.model.outcome import Reach
from cloison.predict.predictor import predict
from cloison.verdict.flow_enumeration import flows

NETWORKS = (
    NetworkFacts("p_back", internal=True, subnets=("10.1.0.0/24",)),
    NetworkFacts("p_front", subnets=("10.2.0.0/24",)),
)


def sample_project() -> Project:
    """Return a project whose guest shares no network with its database."""
    return project(
        {
            "name": "p",
            "services": {
                "db": {"networks": {"back": None}},
                "proxy": {"networks": {"back": None, "front": None}},
                "guest": {"networks": {"front": None}},
            },
            "networks": {"back": {"name": "p_back", "internal": True}, "front": {"name": "p_front"}},
        }
    )


def container(service: str, *attachments: Attachment, redirect_candidates: tuple[PublishedPort, ...] = ()) -> Container:
    """Return a running container of the project."""
    return Container(
        f"p-{service}-1", service, "p", service, 1, "", attachments=attachments, redirect_candidates=redirect_candidates
    )


def facts(*unmanaged_addresses: UnmanagedAddress, redirect_candidates: tuple[PublishedPort, ...] = ()) -> Facts:
    """Return the facts of the project."""
    return Facts(
        EngineFacts("docker", "20.10.24", "DROP"),
        (
            container("db", Attachment("p_back", "10.1.0.2"), redirect_candidates=redirect_candidates),
            container("proxy", Attachment("p_back", "10.1.0.3"), Attachment("p_front", "10.2.0.3")),
            container("guest", Attachment("p_front", "10.2.0.2")),
        ),
        NETWORKS,
        host_addresses=("192.0.2.1",),
        unmanaged_addresses=unmanaged_addresses,
    )


def asked(found: Facts, address: str) -> list[Flow]:
    """Return the flows to an address."""
    return [flow for flow in flows(sample_project(), found, {}) if flow.endpoint.address == address]


def test_an_unmanaged_address_is_probed_from_allowed_vantages_and_intended_shut() -> None:
    found = facts(
        UnmanagedAddress("p-db-1", "hand0", "10.9.9.1", ("p-guest-1", "host")), UnmanagedAddress("p-db-1", "hand1", "")
    )
    about = asked(found, "10.9.9.1")
    predicted = predict(sample_project(), found, about)

    assert {"guest", "host"} == {flow.vantage.place for flow in about}
    assert {Protocol.TCP, Protocol.UDP} == {flow.endpoint.protocol for flow in about}
    assert {Reach.SHUT} == {prediction.reach for prediction in predicted.values()}
    assert "neither the file nor the engine assigns 10.9.9.1 to db" in {p.rule for p in predicted.values()}


def test_an_unmanaged_address_in_a_subnet_of_its_container_belongs_to_that_network() -> None:
    about = asked(facts(UnmanagedAddress("p-db-1", "eth0", "10.1.0.200", ("p-proxy-1",))), "10.1.0.200")

    assert {("proxy", "p_back")} == {(flow.vantage.place, flow.endpoint.network) for flow in about}


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        (
            UnmanagedAddress("db", "hand0", "10.9.9.1"),
            "db has the address 10.9.9.1 on hand0, which the engine does not manage",
        ),
        (UnmanagedAddress("db", "hand0", ""), "db has the interface hand0, which the engine does not manage"),
    ],
)
def test_an_unmanaged_address_has_a_sentence(item: UnmanagedAddress, sentence: str) -> None:
    assert item.sentence.startswith(sentence)


def test_a_redirect_of_the_host_is_probed_like_a_published_port() -> None:
    found = facts(redirect_candidates=(PublishedPort("0.0.0.0", 13306, Protocol.TCP, 3306),))
    about = [flow for flow in asked(found, "192.0.2.1") if flow.endpoint.kind is EndpointKind.PUBLISHED]
    predicted = predict(sample_project(), found, about)

    assert {"guest", "proxy", "host", "outside"} == {flow.vantage.place for flow in about}
    assert {("db", 3306, 13306)} == {(f.endpoint.place, f.endpoint.service_port, f.endpoint.port) for f in about}
    assert {Reach.SHUT} == {prediction.reach for prediction in predicted.values()}


def test_a_redirect_of_a_container_to_itself_is_one_more_port_of_it() -> None:
    found = facts(redirect_candidates=(PublishedPort("10.1.0.2", 13306, Protocol.TCP, 3306),))
    about = [flow for flow in asked(found, "10.1.0.2") if flow.endpoint.port == 13306]
    predicted = predict(sample_project(), found, about)

    assert {(EndpointKind.LISTENER, "p_back")} == {(flow.endpoint.kind, flow.endpoint.network) for flow in about}
    reach = {flow.vantage.place: prediction.reach for flow, prediction in predicted.items()}
    assert (Reach.OPEN, Reach.SHUT) == (reach["proxy"], reach["guest"])


def test_a_redirect_of_a_neighbour_is_not_probed_from_the_neighbour() -> None:
    found = facts(redirect_candidates=(PublishedPort("10.2.0.3", 13306, Protocol.TCP, 3306),))
    about = [flow for flow in asked(found, "10.2.0.3") if flow.endpoint.kind is EndpointKind.PUBLISHED]

    assert {"guest", "host", "outside"} == {flow.vantage.place for flow in about}
