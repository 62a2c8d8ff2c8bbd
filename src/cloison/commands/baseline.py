"""The baseline of a verb: an earlier document, so that the verb fails only for what is worse than it.

Input: the name of the earlier document, and the new one. Output: the exit code, and a sentence on stderr.
Rule: the comparison is that of `cloison diff`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from cloison.commands import documents
from cloison.errors import BREACHED, PROVEN, UsageError
from cloison.ledger_client.config import TOKEN_VARIABLE

if TYPE_CHECKING:
    from cloison.commands.options import OutputOptions
    from cloison.diff.schema import Diff
    from cloison.plan.schema import Plan
    from cloison.proof.schema import Proof

MAX_LINES: Final = 10
"""Worse changes that are named on stderr; `cloison diff` names all."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier document and its name on the command line."""

    name: str
    document: Proof | Plan

    def exit_code(self, new: Proof | Plan, code: int, output_options: OutputOptions) -> int:
        """Return 0 if nothing is worse, else the code of the verb without a baseline; say on stderr which it is.

        A policy that was removed fails although nothing is wrong without one. To fail on what is tolerated is strict.
        """
        from cloison.diff.compare import compare

        strict = output_options.strict or "tolerated" in output_options.fail_on
        result = compare(self.document, new, strict=strict)
        if result.old.project != result.new.project:
            _say(f"the baseline {self.name} is of the project {result.old.project}, and this is {result.new.project}")
        if not result.worse:
            if code != PROVEN:
                _say(f"{_known(new, strict=strict)} as in the baseline {self.name}; nothing is worse")
            return PROVEN
        self._name_worse(result)
        return code or (BREACHED if result.policy_removed and output_options.fail_on else PROVEN)

    def _name_worse(self, result: Diff) -> None:
        from cloison.reports import diff_lines

        worse = [line.sentence for line in diff_lines.lines(result) if line.worse]
        sentences = [*diff_lines.losses(result), *worse]
        _say(f"worse than the baseline {self.name}:")
        for sentence in sentences[:MAX_LINES]:
            click.echo(f"  - {sentence}", err=True)
        if len(sentences) > MAX_LINES:
            click.echo(f"  - and {len(sentences) - MAX_LINES:,} more: see cloison diff", err=True)


def load(output_options: OutputOptions, kind: str) -> Baseline | None:
    """Return the baseline that the options name, None without one; call it before the work that it judges.

    Raises UsageError when it is no document of the kind, NotProven when a ledger does not answer.
    """
    name = output_options.baseline
    if name is None:
        return None
    if "drift" in output_options.fail_on:
        raise UsageError("--fail-on drift and --baseline do not go together: a comparison does not look at drift")
    found = documents.document(name)
    if documents.kind(found) != kind:
        raise UsageError(
            f"--baseline {name} is a {documents.kind(found)}, and this command makes a {kind}; make the baseline with "
            f"{documents.KINDS[kind]}"
        )
    return Baseline(name, found)


def forget_token() -> None:
    """Remove the token of the ledger from the environment, so that no child process inherits it."""
    os.environ.pop(TOKEN_VARIABLE, None)


def _known(new: Proof | Plan, *, strict: bool) -> str:
    """Return what is wrong in a document as before, counted in connections; with `strict` also what is tolerated."""
    from cloison_view.labels import ACTIONABLE, COUNTED, join_names, pluralize
    from cloison_view.summary import summarize

    counts = summarize(new).counts_of(*ACTIONABLE, *(["tolerated"] if strict else []))
    parts = [
        pluralize(number, "breach", "breaches") if word == "breach" else f"{number:,} {COUNTED[word]}"
        for word, number in counts.items()
    ]
    return join_names(parts) or "gaps"


def _say(sentence: str) -> None:
    click.echo(f"cloison: {sentence}", err=True)
