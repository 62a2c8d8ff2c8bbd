"""A connection folds the flows of all containers of a place to all addresses of another."""

from __future__ import annotations

import pytest
from tests.unit.cloison_view.sample_documents import SAMPLE_NAMES, document, flow, small

from cloison_view.connections import connections


def test_a_connection_gathers_every_container_and_every_address() -> None:
    found = connections(small(flow(vantage=0), flow(vantage=1), flow(vantage=1, endpoint=1)))

    assert [("app", "db", "tcp", 3306)] == [connection.key for connection in found]
    assert (0, 1, 2) == found[0].flows


def test_connections_are_sorted_by_source_target_protocol_port() -> None:
    found = connections(small(flow(vantage=2), flow(endpoint=3), flow(endpoint=0), flow(endpoint=2)))

    assert [
        ("app", "db", "tcp", 0),
        ("app", "db", "tcp", 3306),
        ("app", "db", "udp", 0),
        ("proxy", "db", "tcp", 3306),
    ] == [connection.key for connection in found]


@pytest.mark.parametrize(
    ("topology", "expected"),
    [
        (("shut", "shut"), "shut"),
        (("shut", "unknown"), "unknown"),
        (("unknown", "open"), "open"),
        (("shut", "open"), "open"),
    ],
)
@pytest.mark.parametrize("matrix", ["observed", "predicted"])
def test_a_connection_is_as_open_as_its_most_open_flow(matrix: str, topology: tuple[str, str], expected: str) -> None:
    (connection,) = connections(small(*(flow(**{matrix: word}) for word in topology)))

    assert expected == getattr(connection, matrix)


def test_a_connection_is_as_bad_as_its_worst_flow() -> None:
    (connection,) = connections(
        small(flow(), flow(judgement="tolerated"), flow(judgement="broken"), flow(judgement="unknown"))
    )

    assert "broken" == connection.judgement


def test_what_one_address_is_meant_to_be_is_what_the_connection_is_meant_to_be() -> None:
    (connection,) = connections(small(flow(), flow(intended="open"), flow(intended="tolerated")))

    assert "open" == connection.intended


def test_drift_of_one_flow_is_drift_of_the_connection() -> None:
    (connection,) = connections(small(flow(), flow(drift=True)))

    assert connection.drift


def test_a_document_without_flows_has_no_connections() -> None:
    assert () == connections(small())


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_every_flow_of_a_proof_belongs_to_exactly_one_connection(scene: str) -> None:
    proof = document(scene)

    gathered = sorted(position for connection in connections(proof) for position in connection.flows)

    assert list(range(len(proof["flows"]))) == gathered
