"""The metrics as Prometheus reads them, over HTTP and from a file."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cloison.errors import UsageError
from cloison.watch.metrics import METRICS, Metrics, address, served


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def sample(text: str, name: str, **labels: str) -> float | None:
    """Return the value of a sample, None if there is none."""
    found = (one for family in text_string_to_metric_families(text) for one in family.samples)
    return next((one.value for one in found if one.name == name and one.labels == labels), None)


def test_a_proof_is_served_and_a_project_that_went_is_not(tmp_path: Path) -> None:
    metrics, port = Metrics(), free_port()
    metrics.proven("shop", "breached", {"breach": 2, "holds": 5}, 1700000000)
    metrics.observe("cloison_proof_duration_seconds", 1.5, "shop")
    metrics.add("cloison_engine_events_total", amount=3)
    with served(metrics, "127.0.0.1", port):
        with (
            pytest.raises(UsageError, match=f"nothing can listen at 127.0.0.1:{port}"),
            served(metrics, "127.0.0.1", port),
        ):
            pass
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()

    assert 2 == sample(text, "cloison_connections", project="shop", judgement="breach")
    assert 0 == sample(text, "cloison_connections", project="shop", judgement="unknown")
    assert 1 == sample(text, "cloison_proof_verdict", project="shop", verdict="breached")
    assert 1.5 == sample(text, "cloison_proof_duration_seconds_sum", project="shop")
    assert 3 == sample(text, "cloison_engine_events_total")
    assert {name for name, row in METRICS.items() if f"# HELP {name} {row.help}\n" in text} == set(METRICS)

    metrics.forget("shop")
    metrics.write(tmp_path / "cloison.prom")
    assert 'project="shop"' not in (tmp_path / "cloison.prom").read_text()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_an_address_is_that_of_loopback_unless_it_is_named(text: str, found: tuple[str, int]) -> None:
    assert found == address(text)


@pytest.mark.parametrize("text", ["", "localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "1:²"])
def test_a_wrong_address_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="is not ADDRESS:PORT"):
        address(text)
