"""Attachments: as the file declares them, and as the engine has them."""

from __future__ import annotations

from tests.unit.cloison_view.sample_documents import document, large_document

from cloison_view.topology import read_topology


def test_the_network_nearest_to_the_outside_comes_first_and_its_members_too() -> None:
    found = read_topology(document("tolerated"))

    assert [("front", False), ("back", True)] == [(item.label, item.internal) for item in found.networks]
    assert ["proxy", "app", "db"] == [place.name for place in found.places]


def test_networks_with_a_common_member_stand_side_by_side() -> None:
    labels = [network.label for network in read_topology(large_document(60)).networks]

    assert [f"n{i}" for i in range(10)] == labels


def test_an_attachment_that_the_file_does_not_declare_is_undeclared() -> None:
    places = {place.name: place for place in read_topology(document("breach")).places}

    assert {"shop_back": "attached", "shop_front": "undeclared"} == places["app"].attachments


def test_a_declared_network_without_an_address_is_unattached() -> None:
    proof = document("tolerated")
    for end in proof["endpoints"]:
        if end["place"] == "proxy" and end["network"] == "shop_front":
            end["address"] = ""

    places = {place.name: place for place in read_topology(proof).places}

    assert {"shop_back": "attached", "shop_front": "unattached"} == places["proxy"].attachments


def test_a_service_without_containers_is_attached_as_declared() -> None:
    proof = document("tolerated")
    proof["endpoints"] = []

    places = {place.name: place for place in read_topology(proof).places}

    assert {"shop_back": "attached", "shop_front": "attached"} == places["proxy"].attachments


def test_a_foreign_container_comes_last_under_its_own_name() -> None:
    last = read_topology(document("stranger")).places[-1]

    assert last.is_foreign
    assert ("blog-cron-1", {"shop_back": "undeclared"}) == (last.label, last.attachments)


def test_a_network_that_the_project_does_not_have_goes_by_the_engines_name() -> None:
    proof = document("tolerated")
    proof["endpoints"][0] = {**proof["endpoints"][0], "network": "elsewhere"}

    assert "elsewhere" in [network.label for network in read_topology(proof).networks]
