"""Controls, the sentence about a probe, and the changes of a container during a proof."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.observe.probe_results import CANARY, DB, HOST_SOCKETS, LISTENER, PROXY, endpoint, result

from cloison.model.facts import Attachment, Container
from cloison.model.flow import EndpointKind, Protocol
from cloison.model.outcome import Outcome
from cloison.observe.evidence import Controls, change, controls_of, evidence_of

BEFORE = Container("p-db-1", "db", "p", "db", 7, "10:00", attachments=(Attachment("p_back", "10.1.0.2"),))


def test_a_vantage_passes_when_its_canary_is_reached_and_an_unused_address_is_silent() -> None:
    found = controls_of([result(DB, arrived=(DB,))], [result(DB, outcome=Outcome.SILENT)])

    assert Controls("", "") == found
    assert "" == found.failure


def test_a_canary_that_is_not_reached_fails_the_positive_control() -> None:
    found = controls_of([result(DB, outcome=Outcome.SILENT), result(DB, outcome=Outcome.ERROR)], [])

    assert "its own tcp canary could not be reached at 10.1.0.2 (silent), so probes from it prove nothing" == (
        found.failure
    )


def test_an_unused_address_that_answers_fails_the_negative_control() -> None:
    found = controls_of([], [result(DB, outcome=Outcome.ACCEPTED)])

    assert ("", "the unused address 10.1.0.2 answered, so something answers for every address") == (
        found.positive,
        found.failure,
    )


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (BEFORE, ""),
        (replace(BEFORE, exposed=((Protocol.TCP, 1),)), ""),
        (None, "p-db-1 stopped during the proof"),
        (replace(BEFORE, pid=0), "p-db-1 stopped during the proof"),
        (replace(BEFORE, pid=8), "p-db-1 restarted during the proof"),
        (replace(BEFORE, started="10:01"), "p-db-1 restarted during the proof"),
        (replace(BEFORE, attachments=()), "p-db-1 changed its networks or ports during the proof"),
    ],
)
def test_a_change_during_the_proof_is_a_sentence(now: Container | None, sentence: str) -> None:
    assert sentence == change(BEFORE, now)


def test_a_container_that_did_not_run_before_cannot_stop() -> None:
    stopped = replace(BEFORE, pid=0)

    assert "" == change(stopped, stopped)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome.ACCEPTED, "SYN to port 3306 at 10.1.0.2 was accepted"),
        (Outcome.ARRIVED, "SYN to port 3306 at 10.1.0.2 arrived inside p-db-1, no answer came back"),
        (Outcome.REFUSED, "SYN to port 3306 at 10.1.0.2 was refused on the way"),
        (Outcome.SILENT, "SYN to port 3306 at 10.1.0.2 was lost twice; nothing arrived in p-db-1"),
        (Outcome.UNREACHABLE, "SYN to port 3306 at 10.1.0.2 could not be delivered: no route"),
        (Outcome.ERROR, "SYN to port 3306 at 10.1.0.2 has no result: no route"),
    ],
)
def test_each_outcome_has_a_sentence(outcome: Outcome, words: str) -> None:
    probe = result(DB, outcome=outcome, detail="no route")

    assert words == evidence_of(LISTENER, probe)
    assert words.replace("port 3306", "the canary") == evidence_of(CANARY, probe)


def test_the_answer_to_a_packet_that_arrived_is_named() -> None:
    probe = result(DB, outcome=Outcome.ARRIVED, reply=Outcome.REFUSED)

    assert evidence_of(LISTENER, probe).endswith("arrived inside p-db-1, refused came back")


def test_a_datagram_that_arrived_needs_no_answer() -> None:
    probe = result(DB, outcome=Outcome.ARRIVED, protocol=Protocol.UDP)

    assert "datagram to port 3306 at 10.1.0.2 arrived in p-db-1" == evidence_of(LISTENER, probe)


def test_a_target_without_sockets_is_named_by_its_place() -> None:
    probe = result(None, outcome=Outcome.ARRIVED)

    assert "arrived inside db, " in evidence_of(endpoint(EndpointKind.LISTENER, container=""), probe)


def test_other_namespaces_in_which_the_packet_arrived_are_named() -> None:
    probe = result(DB, outcome=Outcome.SILENT, arrived=(PROXY, DB, HOST_SOCKETS))

    assert evidence_of(LISTENER, probe).endswith(", and arrived inside host, p-proxy-1")
