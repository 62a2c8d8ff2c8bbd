"""A range of ports in a proof is one column and one entry; a port with another fate splits it."""

from __future__ import annotations

from typing import Any

from tests.unit.reports.sample_project import seen_as, service, world

from cloison.model.flow import Flow
from cloison.model.outcome import Observation, Outcome
from cloison.proof.schema import Proof
from cloison.reports import terminal
from cloison_view.alike import fold
from cloison_view.summary import summarize


def switchboard(*, closed: int = 0) -> Proof:
    """Return the proof of a service that publishes ten ports, of which one may be closed, and of equal clients."""
    published = [{"target": port, "published": str(port + 1000), "protocol": "udp"} for port in range(100, 110)]
    pbx: dict[str, Any] = {**service(80, "net"), "ports": published}
    clients = {f"w{number}": service(9000, "net") for number in range(1, 5)}

    def seen(flow: Flow) -> Observation | None:
        return seen_as(flow, Outcome.SILENT) if closed and flow.endpoint.service_port == closed else None

    document = {
        "services": {"pbx": pbx, **clients},
        "networks": {"net": {"name": "shop_net"}},
        "x-cloison": {"allow": ["w1, w2, w3, w4 -> pbx:80"]},
    }
    return world(document).proof(seen)


def labels(proof: Proof) -> list[str]:
    return [end.port_label for end in fold(summarize(proof)).ports["pbx"]]


def report(proof: Proof) -> str:
    return " ".join(terminal.render(proof, color=False, width=200, strict=False).split())


def test_a_range_is_one_column_and_one_entry() -> None:
    text = report(switchboard())

    assert ["80", "100-109/udp", "*"] == labels(switchboard())
    assert "outside reaches pbx:100-109/udp at ports 1100-1109 of the host (192.0.2.2" in text
    assert "and 1 reason of the same kind" not in text
    assert 1 == text.count("outside reaches pbx:100-109/udp")
    assert "- outside -> pbx:100-109/udp" in text


def test_a_port_with_another_fate_splits_the_range() -> None:
    assert ["80", "100-104/udp", "105/udp", "106-109/udp", "*"] == labels(switchboard(closed=105))


def test_equal_services_are_named_once() -> None:
    text = report(switchboard())

    assert "w1…w4 (4) reach host" in text
    assert "w1…w4 (4) reach outside" in text
    assert '- "* -> outside"' in text


def test_the_counts_are_those_of_every_flow_and_connection() -> None:
    summary = summarize(switchboard())
    folded = fold(summary)

    assert folded.connection_counts == summary.connection_counts
    assert folded.flow_counts == summary.flow_counts
    assert len(folded.connections) < len(summary.connections) / 3
