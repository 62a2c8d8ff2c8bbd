"""Every flow is in one entry of the evidence, and equal sentences are shown once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.cloison_view.sample_documents import SAMPLE_NAMES, document, endpoint, flow, large_document, small

from cloison_view.action_list import ListEntry, list_entries
from cloison_view.evidence import EvidenceEntry, SourceEvidence, evidence_by_source
from cloison_view.summary import summarize


def whole(*flows: dict[str, Any]) -> dict[str, Any]:
    """Return the small document with an empty project."""
    return {**small(*flows), "project": {"name": "shop", "services": [], "networks": []}}


def entries(proof: dict[str, Any]) -> list[EvidenceEntry]:
    return [entry for origin in of(proof) for pair in origin.pairs for entry in pair.entries]


def of(proof: dict[str, Any]) -> list[SourceEvidence]:
    return evidence_by_source(proof, summarize(proof).connections)


def listed(proof: dict[str, Any]) -> list[ListEntry]:
    return list_entries(proof, summarize(proof))


def test_flows_that_differ_in_their_address_alone_are_one_entry() -> None:
    (entry,) = entries(
        whole(
            flow(vantage=2, reason="lost at 198.18.0.2"),
            flow(vantage=2, endpoint=1, reason="lost at 2001:db8::2"),
            flow(vantage=2, endpoint=2, reason="lost at 198.18.0.2"),
        )
    )

    assert "3306 and any other port" == entry.ports
    assert ("lost at 198.18.0.2 (1 more alike)",) == entry.reasons
    assert ("silent: 198.18.0.2, 2001:db8::2",) == entry.addresses


def test_another_rule_is_another_entry_and_the_worst_comes_first() -> None:
    found = entries(whole(flow(), flow(endpoint=1, rule="another"), flow(endpoint=2, judgement="breach")))

    assert ["breach", "holds", "holds"] == [entry.flow["judgement"] for entry in found]


def test_an_outcome_names_its_container_if_a_place_has_several() -> None:
    (entry,) = entries(whole(flow(), flow(vantage=1, outcome="refused")))

    assert ("silent from shop-app-1: 198.18.0.2", "refused from shop-app-2: 198.18.0.2") == entry.addresses


def test_sentences_beyond_a_limit_are_counted() -> None:
    (entry,) = entries(whole(*(flow(reason=f"sentence {'x' * i}") for i in range(9))))

    assert 7 == len(entry.reasons)
    assert "and 3 sentences more" == entry.reasons[-1]


def test_the_port_of_the_host_is_shown_if_it_differs_from_the_port_of_the_service() -> None:
    proof = whole(flow(endpoint=0), flow(endpoint=1))
    proof["endpoints"][0] = {**endpoint("db", 3306, "192.0.2.2"), "port": 3307}
    proof["endpoints"][1] = endpoint("db", 3306, "")

    (entry,) = entries(proof)
    assert ("silent from shop-app-1: 192.0.2.2 port 3307, no address",) == entry.addresses


def test_a_failed_control_is_shown() -> None:
    controls = {origin.source: origin.controls for origin in of(document("unknown"))}

    assert any("its own canary could not be reached" in text for text in controls["proxy"])


def test_pairs_that_need_action_come_first_and_are_counted() -> None:
    (app,) = [origin for origin in of(document("breach")) if origin.source == "app"]

    assert app.needs_action
    assert [True, True] == [pair.needs_action for pair in app.pairs[:2]]
    assert app.summary.endswith("2 need action")


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_every_pair_of_places_that_was_probed_has_evidence(scene: str) -> None:
    proof = document(scene)

    assert len({(d.source, d.target) for d in summarize(proof).connections}) == sum(
        len(origin.pairs) for origin in of(proof)
    )


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_every_connection_that_needs_action_is_in_the_action_list(scene: str) -> None:
    proof = document(scene)
    wanted = {
        (d.judgement, d.source) for d in summarize(proof).connections if d.judgement in ("breach", "broken", "unknown")
    }

    found = listed(proof)
    assert {(word, source.removeprefix("stranger:")) for word, source in wanted} == {
        (item.judgement, source.partition(" → ")[0]) for item in found for source, _ in item.links
    }


def test_an_action_item_names_sources_target_and_reason() -> None:
    proof = document("breach")
    found = {item.heading: item for item in listed(proof)}

    item = found["egress to other machines: 2 connections"]
    assert ("app and db reach outside (any port)",) == item.sentences
    assert ("breach", "file") == (item.judgement, item.cause)
    assert ("should be closed, but the Compose file opens it: back is not internal, so app has egress",) == item.reasons


def test_reasons_beyond_a_few_are_counted() -> None:
    proof = whole(*(flow(judgement="breach", rule=f"rule {i}", reason=f"reason {i}") for i in range(5)))

    (item,) = listed(proof)
    assert (2, "and 3 reasons of the same kind") == (len(item.reasons), item.more)


def test_an_action_item_says_what_to_do_and_which_line_of_policy_allows_it() -> None:
    (item,) = (item for item in listed(document("breach")) if item.heading.startswith("egress"))

    assert ("cloison plan",) == item.advices[0].commands
    assert [("x-cloison.allow", "- app, db -> outside")] == [(line.section, line.text) for line in item.policy]


def test_a_network_may_be_accepted_as_a_whole() -> None:
    lines = [line for item in listed(large_document(60)) for line in item.policy if line.kind == "accept"]

    assert [("x-cloison.tolerate", "- network: n9")] == [(line.section, line.text) for line in lines]


def test_drift_has_no_line_of_policy() -> None:
    found = listed(document("stranger"))

    assert [] == [line for item in found if item.cause == "drift" for line in item.policy]
    assert all(item.advices for item in found)
