"""`cloison watch`: proves projects after each change and from time to time, and keeps their policies enforced."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cloison.commands import options
from cloison.commands.options import LedgerOptions, ProofOptions
from cloison.engine.compose_cli import Selection
from cloison.errors import PROVEN, OutputError, UsageError
from cloison.workflow.request import PolicySource

if TYPE_CHECKING:
    from cloison.commands.ledger_delivery import LedgerClient
    from cloison.proof.schema import Proof
    from cloison.watch.metrics import Metrics
    from cloison.watch.watcher import Targets

DEFAULT_INTERVAL: Final = 300.0
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
LEDGER_PAUSES: Final = (30.0, 120.0, 600.0, 1800.0)
"""Seconds after an attempt that failed until proofs are sent again; they are stored meanwhile."""


@click.command()
@options.selection
@click.option("--all", "every", is_flag=True, help="Watch every project that runs, also those that start later.")
@options.policy_source
@options.proof_options
@options.ledger_options
@click.option(
    "--enforce/--no-enforce",
    "enforces",
    default=None,
    help="Keep the policy enforced, or only prove.  [default: as x-cloison says with `enforce: true`]",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=1),
    default=DEFAULT_INTERVAL,
    show_default=True,
    metavar="SECONDS",
    help="Prove at least this often, less up to a tenth at random.",
)
@click.option(
    "--learn", "learns", is_flag=True, help="Record the connections that are used, for `cloison policy usage`."
)
@click.option("--metrics", "address", metavar="[ADDRESS:]PORT", help="Serve metrics; the default address is 127.0.0.1.")
@click.option("--metrics-file", type=click.Path(path_type=Path), metavar="FILE", help="Write metrics to a file.")
@click.option("--webhook", metavar="URL", envvar="CLOISON_WEBHOOK",
              help="Post to this address when a judgement changes.  [env: CLOISON_WEBHOOK]")  # fmt: skip
@click.option(
    "--webhook-secret-file",
    "secret_file",
    type=click.Path(path_type=Path),
    envvar="CLOISON_WEBHOOK_SECRET_FILE",
    metavar="FILE",
    help="File with the secret of the signatures.  [env: CLOISON_WEBHOOK_SECRET_FILE; secret: CLOISON_WEBHOOK_SECRET]",
)
@click.option("--once", is_flag=True, help="End after one proof of each, with the worst exit code.")
def command(  # noqa: PLR0913  # each is an option of the command line
    selection: Selection,
    policy_source: PolicySource,
    proof_options: ProofOptions,
    ledger_options: LedgerOptions,
    *,
    every: bool,
    enforces: bool | None,
    interval: float,
    learns: bool,
    address: str | None,
    metrics_file: Path | None,
    webhook: str | None,
    secret_file: Path | None,
    once: bool,
) -> int:
    """Follow projects: prove them after each change, and keep their policies enforced.

    They are proven from time to time as well. A container that starts is closed until it is known, then what
    the policy allows is opened at once. Says what changed since the last proof. --project-name can name several
    projects, separated by commas. Runs until it is stopped; what stands then stays.
    """
    from cloison.commands import operating_system

    operating_system.check("watch")
    from cloison.commands import baseline, ledger_delivery
    from cloison.commands import output as commands_output
    from cloison.engine.event_stream import event_stream
    from cloison.watch import metrics as watch_metrics
    from cloison.watch import webhook as watch_webhook
    from cloison.watch.watcher import Outlets, Settings, Watcher

    targets = _targets(selection, every=every)
    client = ledger_delivery.ledger_client(ledger_options)
    baseline.forget_token()
    secret = watch_webhook.secret_taken()
    receiver = watch_webhook.receiver(webhook, secret_file, secret) if webhook else None
    served_at = watch_metrics.address(address) if address else None
    metrics, lines = watch_metrics.Metrics(), Lines()
    settings = Settings(
        interval, proof_options.timeout, proof_options.deadline, proof_options.strict, enforces, policy_source, learns
    )
    with ExitStack() as stack:
        outlets = Outlets(lines.tell, metrics, lambda proof: commands_output.exit_code(proof, proof_options))
        lines.count_error = lambda: metrics.add("cloison_errors_total", "output")
        if metrics_file:
            outlets = replace(outlets, write_metrics=_MetricsFile(metrics_file, metrics, lines.tell).write)
        sender = _LedgerSender(client, metrics) if client else None
        if sender:
            outlets = replace(outlets, deliver=sender.send)
        if receiver:
            messages = watch_webhook.Webhook(
                receiver, lines.tell, lambda result: metrics.add("cloison_webhook_messages_total", result)
            )
            stack.callback(messages.close)
            outlets = replace(outlets, notify=messages.send)
        if served_at:
            stack.enter_context(watch_metrics.served(metrics, *served_at))
        watcher = Watcher(targets, settings, outlets)
        stack.callback(watcher.close)
        if once:
            code = watcher.prove_once()
            return sender.exit_code(code) if sender else code
        with event_stream() as stream:
            watcher.stream = stream
            watcher.find()
            watcher.follow(stream)
    return PROVEN


def _targets(selection: Selection, *, every: bool) -> Targets:
    """Return which projects are meant: all, several names, or the one that Compose's options select."""
    from cloison.watch.watcher import Targets

    if every:
        if selection != Selection():
            raise UsageError("--all watches every project, so it goes with no option that selects one")
        return Targets()
    names = [name.strip() for name in selection.project.split(",")]
    if len(names) > 1:
        if replace(selection, project="") != Selection():
            raise UsageError("several names of --project-name are projects that run; they go with no --file")
        return Targets(names=frozenset(filter(None, names)))
    return Targets(selection)


@dataclass
class Lines:
    """Writes lines to stdout; a full disk behind it is told once on stderr, and lines are lost until there is room."""

    count_error: Callable[[], None] = lambda: None
    is_full: bool = False

    def tell(self, sentence: str) -> None:
        """Write a line with the time. Raises OutputError if nobody reads it any more."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            os.write(1, f"{now} {sentence}\n".encode(errors="replace"))
            self.is_full = False
        except OSError as error:
            if error.errno not in FULL:
                raise OutputError(f"stdout: the output could not be written: {error.strerror}") from error
            self.count_error()
            if not self.is_full:
                click.echo(f"cloison: stdout: {error.strerror}; lines are lost until there is room", err=True)
            self.is_full = True


@dataclass
class _MetricsFile:
    """The file for node_exporter; a failure to write it is told once."""

    path: Path
    metrics: Metrics
    tell: Callable[[str], None]
    problem: str = ""

    def write(self) -> None:
        problem = ""
        try:
            self.metrics.write(self.path)
        except OSError as error:
            problem = error.strerror or str(error)
            self.metrics.add("cloison_errors_total", "metrics")
        if problem and problem != self.problem:
            self.tell(f"{self.path}: the metrics could not be written: {problem}")
        self.problem = problem


@dataclass
class _LedgerSender:
    """Stores each proof, and sends what is stored unless the ledger was away a moment ago."""

    client: LedgerClient
    metrics: Metrics
    failures: int = 0
    next_attempt: float = 0
    was_accepted: bool = True

    def send(self, proof: Proof) -> None:
        delivery = replace(self.client, is_required=True).enqueue(proof)
        if delivery.queued and time.monotonic() < self.next_attempt:
            self.was_accepted = False
        else:
            self.was_accepted = delivery.send(PROVEN) == PROVEN
            self.failures = 0 if self.was_accepted else self.failures + 1
            pause = LEDGER_PAUSES[min(self.failures, len(LEDGER_PAUSES)) - 1] if self.failures else 0
            self.next_attempt = time.monotonic() + pause
        self.metrics.add("cloison_ledger_proofs_total", "accepted" if self.was_accepted else "waiting")

    def exit_code(self, code: int) -> int:
        from cloison.errors import UNPROVEN

        is_missing = self.client.is_required and not self.was_accepted
        return UNPROVEN if is_missing and code == PROVEN else code
