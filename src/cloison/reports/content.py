"""The content that the reports for programs and for pull requests share: the verdict, and one entry a connection.

Input: a proof or a plan. Output: a `Content`, whose numbers are those of `cloison_view.summary`.
Rule: a report does not ask whether the document is a proof or a plan; what differs between them is a row here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cloison.model.defaults import DEFAULT_FAIL_ON
from cloison.plan.schema import Plan
from cloison.proof.schema import Proof, digest
from cloison.reports import failing, verdict_line
from cloison_view.action_items import TOLERATE_LINE, TOLERATED, Advise
from cloison_view.folded_advice import folded_advice
from cloison_view.labels import ACTIONABLE, display_name
from cloison_view.summary import Connection, Summary, summarize
from cloison_view.verdict import covers_everything

Document = Proof | Plan
REACHES: Final = {
    ("breach", False): "{source} reaches {target}",
    ("breach", True): "{source} would reach {target}",
    ("broken", False): "{source} does not reach {target}",
    ("broken", True): "{source} would not reach {target}",
    ("unknown", False): "it is not known whether {source} reaches {target}",
    ("unknown", True): "the file does not decide whether {source} reaches {target}",
    ("tolerated", False): "{source} reaches {target}",
    ("tolerated", True): "{source} would reach {target}",
}
"""The sentence about a connection by its judgement, in a proof and in a plan."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A connection that needs action or is tolerated, with the flow that shows why."""

    connection: Connection
    position: int
    """The position of the first flow that has the connection's judgement."""
    judgement: str
    cause: str
    """Of a breach: `file` or `drift`; else empty."""
    sentence: str
    reason: str
    policy_line: str
    """The path of the line of the policy that decides, empty for none."""
    toleration: str
    """The reason of the toleration, empty where none is."""
    is_failing: bool
    """Whether the connection makes the command fail."""


@dataclass(frozen=True)
class Content:
    """A document as a report shows it. With `strict` a tolerated flow counts as a breach; `fail_on` says what fails."""

    document: Document
    strict: bool = False
    fail_on: frozenset[str] = DEFAULT_FAIL_ON

    @property
    def is_plan(self) -> bool:
        """Whether the document predicts, and observed nothing."""
        return isinstance(self.document, Plan)

    @property
    def kind(self) -> str:
        """What the document is called."""
        return "plan" if self.is_plan else "proof"

    @property
    def project(self) -> str:
        """The name of the project."""
        return self.document.project.name

    @property
    def engine(self) -> str:
        """The engine that was probed, or that was predicted for."""
        if isinstance(self.document, Plan):
            return f"predicted for {self.document.assumed.engine} {self.document.assumed.version}"
        return f"{self.document.engine.name} {self.document.engine.version}"

    @property
    def strict_note(self) -> str:
        """The sentence that says that only `--strict` makes it fail; empty where it does not."""
        return verdict_line.strict_note(self.document, strict=self.strict)

    @property
    def word(self) -> str:
        """The verdict of the document."""
        return str(self.document.verdict.word)

    @property
    def headline(self) -> str:
        """The verdict in capital letters."""
        return verdict_line.verdict_mark(self.document, strict=self.strict)[0].rstrip()

    @property
    def exit_code(self) -> int:
        """The exit code of the command that shows it."""
        return failing.exit_code(self.document, self.failing_words)

    @property
    def failing_words(self) -> frozenset[str]:
        """What fails, in the words of `failing`."""
        return failing.failing_words(self.fail_on, strict=self.strict)

    def fails(self, position: int) -> bool:
        """Whether the flow at a position makes the command fail."""
        records = self.summary.records
        drift = not self.is_plan and records.value(position, "drift")
        return failing.fails(records.value(position, "judgement"), self.failing_words, drift=drift)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the document."""
        return digest(self.document)

    @cached_property
    def summary(self) -> Summary:
        """The connections, none of them folded: a report for programs names each."""
        return summarize(self.document)

    @cached_property
    def gaps(self) -> tuple[tuple[str, str], ...]:
        """What was not probed or not modelled, and why."""
        coverage = self.document.coverage
        absent = getattr(coverage, "absent", ())
        return (
            *((display_name(name), "a container is missing") for name in sorted(absent)),
            *((part.what, part.why) for part in coverage.skipped),
        )

    @property
    def is_complete(self) -> bool:
        """Whether every part of the project was probed or modelled, as the verdict requires."""
        return covers_everything(self.document)

    def advise(self, summary: Summary) -> Advise:
        """Return a function that returns what to do about the flow at a position."""
        from cloison.reports import plan_terminal  # noqa: PLC0415  # rich is slow, and not always needed

        if isinstance(self.document, Plan):
            return plan_terminal.plan_advice(self.document, summary)
        return folded_advice(self.document, summary)

    def entries(self) -> Iterator[Entry]:
        """Yield every connection that needs action or is tolerated, the worst first."""
        for judgement in (*ACTIONABLE, TOLERATED):
            for connection in self.summary.connections:
                if connection.judgement == judgement:
                    yield self._entry(connection)

    def _entry(self, connection: Connection) -> Entry:
        records, judgement = self.summary.records, connection.judgement
        flows = [at for at in connection.flows if records.value(at, "judgement") == judgement]
        position = min(flows, key=lambda at: (records.cause(at) != "drift", at))
        line = records.value(position, "intended_by")
        sentence = REACHES[judgement, self.is_plan].format(
            source=display_name(connection.source), target=connection.end.label + connection.scope.words
        )
        return Entry(
            connection,
            position,
            judgement,
            records.cause(position) or "",
            sentence,
            records.value(position, "reason"),
            line,
            self._tolerations.get(line, "") if judgement == TOLERATED else "",
            any(map(self.fails, flows)),
        )

    @cached_property
    def _tolerations(self) -> dict[str, str]:
        return {TOLERATE_LINE.format(i): why for i, (_, why) in enumerate(self.summary.records.tolerations)}
