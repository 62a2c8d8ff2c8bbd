"""The metrics of `cloison watch`: a table, and the registry that Prometheus reads.

Rule: a metric is a row of `METRICS`; docs/watch.md, the alert rules and the dashboard in contrib/ name no other. A
project that is no longer watched has no metrics.
Source: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary, start_http_server, write_to_textfile
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.process_collector import ProcessCollector

from cloison.errors import UsageError
from cloison.verdict.judge import Judgement

PROJECT: Final = ("project",)
DEFAULT_HOST: Final = "127.0.0.1"
VERDICTS: Final = ("proven", "drawn", "breached", "unproven")


class Row(NamedTuple):
    """A metric: its kind, its labels and its meaning."""

    kind: type[MetricWrapperBase]
    labels: tuple[str, ...]
    help: str


METRICS: Final[Mapping[str, Row]] = {
    "cloison_proof_timestamp_seconds": Row(Gauge, PROJECT, "When the last proof ended, in seconds since 1970."),
    "cloison_proof_duration_seconds": Row(Summary, PROJECT, "How long proofs took."),
    "cloison_proof_verdict": Row(Gauge, (*PROJECT, "verdict"), "1 for the verdict of the last proof, 0 for others."),
    "cloison_connections": Row(Gauge, (*PROJECT, "judgement"), "Connections of the last proof by their judgement."),
    "cloison_proofs_total": Row(Counter, (*PROJECT, "result"), "Proofs by their verdict, or `error` for none."),
    "cloison_judgement_changes_total": Row(Counter, PROJECT, "Proofs whose judgements differ from those before."),
    "cloison_project_policy": Row(Gauge, PROJECT, "1 if the project has a policy."),
    "cloison_project_enforced": Row(
        Gauge, PROJECT, "1 if the policy is kept enforced, 0 if the project is proven only."
    ),
    "cloison_enforcement_changes_total": Row(Counter, PROJECT, "Changes of the rules by this process."),
    "cloison_enforcement_change_seconds": Row(Summary, PROJECT, "How long it took to change the rules."),
    "cloison_enforcement_gaps_total": Row(Counter, PROJECT, "How often somebody else changed the rules."),
    "cloison_enforcement_gap_seconds_total": Row(Counter, PROJECT, "How long rules may have been gone, at most."),
    "cloison_watched_projects": Row(Gauge, (), "Projects that are watched."),
    "cloison_engine_up": Row(Gauge, (), "1 if the engine answers."),
    "cloison_engine_events_total": Row(Counter, (), "Events that the engine has sent."),
    "cloison_ledger_proofs_total": Row(Counter, ("result",), "Proofs for the ledger: `accepted` or `waiting`."),
    "cloison_webhook_messages_total": Row(
        Counter, ("result",), "Messages of the webhook: `sent`, `failed`, `dropped`."
    ),
    "cloison_errors_total": Row(
        Counter, ("kind",), "Errors: `proof`, `enforcement`, `learning`, `engine`, `output`, `metrics`."
    ),
}


class Metrics:
    """The values; a method of any thread may change them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._found: dict[str, Any] = {
            name: row.kind(name.removesuffix("_total"), row.help, row.labels, registry=self.registry)
            for name, row in METRICS.items()
        }
        ProcessCollector(registry=self.registry)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._child(name, labels).set(value)

    def add(self, name: str, *labels: str, amount: float = 1) -> None:
        """Add to a counter."""
        self._child(name, labels).inc(amount)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Add a duration to a summary."""
        self._child(name, labels).observe(seconds)

    def _child(self, name: str, labels: tuple[str, ...]) -> Any:
        return self._found[name].labels(*labels) if labels else self._found[name]

    def proven(self, project: str, word: str, counts: Mapping[str, int], now: float) -> None:
        """Set what a proof says of a project."""
        self.set("cloison_proof_timestamp_seconds", now, project)
        self.add("cloison_proofs_total", project, word)
        for verdict in VERDICTS:
            self.set("cloison_proof_verdict", verdict == word, project, verdict)
        for judgement in Judgement:
            self.set("cloison_connections", counts.get(judgement, 0), project, judgement)

    def forget(self, project: str) -> None:
        """Remove the metrics of a project."""
        for name, row in METRICS.items():
            if "project" in row.labels:
                with suppress(KeyError):
                    self._found[name].remove_by_labels({"project": project})

    def write(self, path: Path) -> None:
        """Write all metrics to a file for node_exporter, whole or not at all. Raises OSError."""
        write_to_textfile(str(path), self.registry)


def address(text: str) -> tuple[str, int]:
    """Return the host and the port of ADDRESS:PORT, :PORT or PORT; without an address it is that of loopback.

    Raises UsageError for anything else.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise UsageError(f'--metrics: "{text}" is not ADDRESS:PORT, such as 127.0.0.1:9464')
    return host or DEFAULT_HOST, int(port)


@contextmanager
def served(metrics: Metrics, host: str, port: int) -> Iterator[None]:
    """Answer Prometheus at an address, to the end of this context.

    Raises UsageError if nothing can listen there.
    """
    try:
        server, thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise UsageError(f"--metrics: nothing can listen at {host}:{port}: {error.strerror or error}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
