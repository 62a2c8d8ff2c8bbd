from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from tests.unit.fake_engine import (
    BACK,
    EVERYWHERE,
    FRONT,
    POLICY,
    STACK,
    FakeEngine,
    container,
    foreign_container,
    label,
)

from cloison.model.facts import Container, PublishedPort
from cloison.model.flow import Protocol
from cloison.model.outcome import Observation, Outcome, Reach, observation, unknown
from cloison.predict.context import Prediction
from cloison.verdict.intent import Intent, Intention
from cloison.verdict.judge import compare
from cloison.verdict.reasons import ProofInputs, notes, pings, reason

OPEN, SHUT, UNKNOWN = Reach.OPEN, Reach.SHUT, Reach.UNKNOWN
ACCEPTED = observation(Outcome.ACCEPTED, watched=True, evidence="accepted")
ARRIVED = observation(Outcome.ARRIVED, watched=True, evidence="arrived, RST came back")
SILENT = observation(Outcome.SILENT, watched=True, evidence="lost twice")
UNSEEN = unknown("db stopped during the proof")
ICC_OFF = {"com.docker.network.bridge.enable_icc": "false"}


def said(intent: Intent, predicted: Reach, seen: Observation, why: str = "") -> str:
    """Return the reason of one judged flow."""
    flow = STACK.flows()[0]
    return reason(
        compare({flow: Intention(intent, "", why)}, {flow: Prediction(predicted, "R")}, {flow: seen})[0],
        has_policy=True,
    )


@pytest.mark.parametrize(
    ("intent", "predicted", "seen", "sentence"),
    [
        (Intent.OPEN, OPEN, ACCEPTED, "open as intended: R"),
        (Intent.SHUT, SHUT, SILENT, "closed as intended: lost twice"),
        (Intent.OPTIONAL, SHUT, SILENT, "closed as intended: lost twice"),
        (Intent.OPTIONAL, SHUT, ACCEPTED, "as intended, but not as predicted (R): accepted"),
        (Intent.TOLERATED, OPEN, SILENT, "as intended, but not as predicted (R): lost twice"),
        (Intent.SHUT, OPEN, SILENT, "as intended, but not as predicted (R): lost twice"),
        (Intent.SHUT, UNKNOWN, SILENT, "closed as intended: lost twice"),
        (Intent.UNJUDGED, OPEN, ACCEPTED, "open, not judged because it starts at the host: R"),
        (Intent.UNJUDGED, SHUT, SILENT, "closed, not judged because it starts at the host: lost twice"),
        (Intent.UNJUDGED, OPEN, SILENT, "not judged, and not as predicted (R): lost twice"),
        (Intent.OPEN, OPEN, ARRIVED, "needed, but the endpoint does not answer: arrived, RST came back"),
        (Intent.OPEN, SHUT, SILENT, "needed, but the Compose file closes it: R"),
        (Intent.OPEN, OPEN, SILENT, "needed and predicted open (R), but closed: lost twice"),
        (Intent.OPEN, UNKNOWN, SILENT, "needed, but closed: lost twice"),
        (Intent.SHUT, OPEN, ACCEPTED, "should be closed, but the Compose file opens it: R"),
        (
            Intent.SHUT,
            SHUT,
            ACCEPTED,
            (
                "should be closed but is open, and the Compose file does not explain it: accepted. "
                "Expected closed because R"
            ),
        ),
        (Intent.SHUT, UNKNOWN, ACCEPTED, "should be closed but is open: accepted. Not predicted because R"),
        (
            Intent.UNDECIDED,
            UNKNOWN,
            ACCEPTED,
            "open, and neither a policy nor the file decides whether it should be: R",
        ),
        (
            Intent.UNDECIDED,
            UNKNOWN,
            SILENT,
            "closed, and neither a policy nor the file decides whether it should be: R",
        ),
        (Intent.SHUT, SHUT, UNSEEN, "unknown: db stopped during the proof"),
        (Intent.OPEN, OPEN, UNSEEN, "unknown: db stopped during the proof"),
    ],
)
def test_a_reason_names_the_intention_and_the_observation(
    intent: Intent, predicted: Reach, seen: Observation, sentence: str
) -> None:
    assert sentence == said(intent, predicted, seen)


@pytest.mark.parametrize("why", ["Docker has no policy inside a network", "Docker has no policy inside a network."])
def test_a_toleration_says_why_without_a_second_full_stop(why: str) -> None:
    expected = "open and tolerated, because Docker has no policy inside a network"

    assert expected == said(Intent.TOLERATED, OPEN, ACCEPTED, why)


@pytest.mark.parametrize(
    ("intent", "predicted", "seen"), [*product(Intent, Reach, [ACCEPTED, ARRIVED, SILENT, UNSEEN])]
)
def test_every_judged_flow_has_a_reason_that_fits_its_prediction(
    intent: Intent, predicted: Reach, seen: Observation
) -> None:
    sentence = said(intent, predicted, seen)

    assert sentence
    assert sentence.startswith("unknown: ") is (seen is UNSEEN)
    assert predicted is OPEN or "the Compose file opens it" not in sentence
    assert predicted is SHUT or "Expected closed because" not in sentence


def test_braces_in_a_name_are_only_braces() -> None:
    found = replace(ACCEPTED, evidence="{rule} {}")

    assert "{rule} {}" in said(Intent.SHUT, SHUT, found)


def noted(deployment: FakeEngine) -> list[str]:
    """Return the notes of a proof."""
    return notes(ProofInputs(deployment.project, deployment.facts, deployment.rules), deployment.judged())


def test_a_proof_without_egress_foreign_containers_or_unneeded_tolerations_has_no_note() -> None:
    deployment = (
        STACK.with_network("frontend_net", internal=True)
        .with_engine_network(FRONT, internal=True)
        .with_publications("proxy-1")
    )

    assert [] == noted(deployment.with_service("proxy", ports=None))


@pytest.mark.parametrize(
    ("spy", "note"),
    [
        (foreign_container("spy", (FRONT, "172.30.2.66"), (BACK, "172.30.1.66")), f"spy is on {BACK}, {FRONT}"),
        (foreign_container("spy", (BACK, "172.30.1.66"), project="other"),
         "spy of project other is on shop_backend_net"),
        (foreign_container("spy", project="shop"), "spy of project shop is on no network"),
    ],
)  # fmt: skip
def test_a_foreign_container_is_noted_with_its_networks(spy: Container, note: str) -> None:
    assert f"{note} and is not in the file" in noted(STACK.with_containers(spy))


def test_a_stopped_foreign_container_is_not_noted() -> None:
    deployment = STACK.with_containers(replace(foreign_container("spy", (BACK, "172.30.1.66")), pid=0))

    assert not [note for note in noted(deployment) if "spy" in note]


def test_a_port_that_the_engine_does_not_publish_is_noted_once_however_many_replicas() -> None:
    deployment = (
        STACK.with_service("proxy", scale=2).with_publications("proxy-1").with_containers(container("proxy", number=2))
    )

    found = [note for note in noted(deployment) if "publishes" in note]
    assert ["the file publishes proxy:80/tcp, but the engine does not"] == [note.split(" (")[0] for note in found]


def test_a_port_that_is_published_at_another_address_is_published() -> None:
    deployment = STACK.with_publications("proxy-1", PublishedPort(EVERYWHERE, 1, Protocol.TCP, 80))

    assert not [note for note in noted(deployment) if "publishes" in note]


def test_a_toleration_that_matches_no_open_flow_is_not_needed() -> None:
    idle = {"network": "frontend_net", "why": "habit"}

    found = noted(STACK.with_policy(tolerate=[*POLICY["tolerate"], idle]))
    assert ["x-cloison.tolerate[3] (network frontend_net) is not needed: it matches no open flow"] == [
        note for note in found if "needed" in note
    ]


def test_a_toleration_of_an_unknown_flow_may_be_needed() -> None:
    deployment = STACK.with_policy()
    said = {label(f): UNSEEN for f, i in deployment.intended().items() if i.intent is Intent.TOLERATED}

    found = notes(ProofInputs(deployment.project, deployment.facts, deployment.rules), deployment.judged(said))
    assert not [note for note in found if "needed" in note]


def test_services_with_egress_are_noted() -> None:
    deployment = STACK.with_network("backend_net", internal=False).with_engine_network(BACK, internal=False)

    assert "egress: app, db, proxy can reach the internet" in noted(deployment)


def test_a_pair_that_only_echo_requests_reach_is_noted_once() -> None:
    asked = [flow for flow in STACK.flows() if flow.vantage.place in ("app", "db") and flow.endpoint.place == "proxy"]

    assert [
        "ICMP: echo requests from app reach proxy, TCP and UDP do not",
        "ICMP: echo requests from db reach proxy, TCP and UDP do not",
    ] == pings(reversed(asked))
    assert [] == pings([])


def test_notes_have_one_order_whatever_the_order_of_the_facts() -> None:
    spies = (foreign_container("zoe", (BACK, "172.30.1.67")), foreign_container("ann", (BACK, "172.30.1.66")))

    assert noted(STACK.with_containers(*spies)) == noted(STACK.with_containers(*reversed(spies)))
