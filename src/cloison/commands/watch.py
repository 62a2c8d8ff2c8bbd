"""`cloison watch`: proves a project after each change and from time to time, and keeps its policy enforced."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import click

from cloison.commands import options
from cloison.commands.options import LedgerOptions, ProofOptions
from cloison.engine.compose_cli import Selection
from cloison.errors import CloisonError
from cloison.workflow.request import PolicySource, Request

if TYPE_CHECKING:
    from cloison.commands.ledger_delivery import LedgerClient
    from cloison.engine.event_stream import Subscription
    from cloison.proof.schema import Proof
    from cloison.workflow.keep_enforced import Change, Keeper

SETTLE_SECONDS: Final = 2.0
"""How long nothing may happen before a proof: containers of a project start one after the other."""
LONGEST_UNREST: Final = 30.0
"""Seconds after which it is proven although containers still come and go."""
DEFAULT_INTERVAL: Final = 300.0
MOST_LINES: Final = 12
"""Changes between two proofs that are told one by one."""


@click.command()
@options.selection
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
    help="Prove at least this often.",
)
@click.option("--once", is_flag=True, help="End after the first proof, with its exit code.")
def command(  # noqa: PLR0913  # each is an option of the command line
    selection: Selection,
    policy_source: PolicySource,
    proof_options: ProofOptions,
    ledger_options: LedgerOptions,
    *,
    enforces: bool | None,
    interval: float,
    once: bool,
) -> int:
    """Follow a project: prove it after each change, and keep its policy enforced.

    It is proven from time to time as well. A container that starts is closed until it is known, then what
    the policy allows is opened at once. Says what changed since the last proof. Runs until it is
    stopped; what stands then stays.
    """
    from cloison.commands import operating_system

    operating_system.check("watch")
    from cloison.commands import baseline, ledger_delivery
    from cloison.compose import policy
    from cloison.compose import project as compose_project
    from cloison.engine.event_stream import event_stream
    from cloison.workflow import enforcement
    from cloison.workflow.keep_enforced import kept_enforced
    from cloison.workflow.prove import resolved

    ledger_client = ledger_delivery.ledger_client(ledger_options)
    baseline.forget_token()
    project = compose_project.project(resolved(selection, policy_source))
    rules = policy.policy(project)
    if enforces is None:
        enforces = rules is not None and rules.enforce
    request = Request(selection, proof_options.timeout, proof_options.deadline, policy_source)
    with ExitStack() as stack:
        keeper = None
        if enforces:
            enforcer = stack.enter_context(enforcement.enforcer(project))
            enforcer.apply()
            keeper = stack.enter_context(kept_enforced(enforcer, _tell_change))
        watcher = _Watcher(request, proof_options, ledger_client, keeper)
        if once:
            return watcher.prove()
        events = stack.enter_context(event_stream()).subscribe()
        while True:
            watcher.prove()
            _wait(events, interval)


class _Watcher:
    """Proves a project again and again, and tells what changed."""

    def __init__(
        self,
        request: Request,
        proof_options: ProofOptions,
        ledger_client: LedgerClient | None,
        keeper: Keeper | None,
    ) -> None:
        self._request, self._options, self._ledger, self._keeper = request, proof_options, ledger_client, keeper
        self._last: Proof | None = None
        self._last_error = ""

    def prove(self) -> int:
        """Prove once; return the exit code of the verdict, or of the error that prevented it."""
        from cloison.commands import output as commands_output
        from cloison.reports import verdict_line
        from cloison.workflow.prove import prove

        try:
            if self._keeper:
                self._keeper.check()
                self._reread_policy(self._keeper)
            proof = prove(self._request)
        except CloisonError as error:
            if str(error) != self._last_error:  # an engine that is away for a night is one line
                _tell(f"not proven: {error}")
            self._last_error = str(error)
            return error.exit_code
        self._last_error = ""
        _tell(verdict_line.verdict_line(proof, strict=self._options.strict))
        if self._last is not None:
            self._tell_difference(self._last, proof)
        self._last = proof
        code = commands_output.exit_code(proof, self._options)
        return self._ledger.enqueue(proof).send(code) if self._ledger else code

    def _reread_policy(self, keeper: Keeper) -> None:
        from cloison.compose import project as compose_project
        from cloison.workflow import enforcement
        from cloison.workflow.prove import resolved

        project = compose_project.project(resolved(self._request.selection, self._request.policy_source))
        keeper.replace_policy(project, enforcement.required_policy(project))

    def _tell_difference(self, before: Proof, proof: Proof) -> None:
        from cloison.diff.compare import compare
        from cloison.reports import diff_lines

        found = compare(before, proof, strict=self._options.strict)
        lines = list(diff_lines.lines(found))
        for line in lines[:MOST_LINES]:
            _tell(f"  {line.title}: {line.sentence}")
        if len(lines) > MOST_LINES:
            _tell(f"  … and {len(lines) - MOST_LINES} more changes")


def _wait(events: Subscription, interval: float) -> None:
    """Wait until something happened and nothing more does, or until the interval has passed."""
    import select

    poller = select.poll()
    poller.register(events.descriptor, select.POLLIN)
    ends, happened = time.monotonic() + interval, False
    while time.monotonic() < ends:
        left = min(ends - time.monotonic(), SETTLE_SECONDS if happened else interval)
        if not poller.poll(max(0, left) * 1000):
            if happened:
                return
            continue
        events.drained()
        if not happened:
            happened, ends = True, min(ends, time.monotonic() + LONGEST_UNREST)


def _tell_change(change: Change) -> None:
    _tell(f"{change.sentence} ({change.seconds * 1000:.0f} ms)")


def _tell(sentence: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    click.echo(f"{now} {sentence}")
