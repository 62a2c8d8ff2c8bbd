"""The reports: each renders a proof or a plan as text.

Input: a document and `RenderOptions`. Output: a string, or its parts where the report may be large.
Rule: a report reads the document only, and takes every number from `cloison_view.summary`. A new report is a module and
a row of `REPORTS` and of `SUFFIXES`, and of `PLAN_REPORTS` if a plan has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cloison.compose.positions import Positions
from cloison.model.defaults import DEFAULT_FAIL_ON

if TYPE_CHECKING:
    from cloison.plan.schema import Plan
    from cloison.proof.schema import Proof


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """Colour and width (in columns) of the terminal report, strictness, and the positions that SARIF names.

    A `full` terminal report leaves nothing out. `fail_on` is what fails in the reports for programs: see `failing`.
    """

    color: bool = False
    width: int = 100
    strict: bool = False
    full: bool = False
    positions: Positions = field(default_factory=Positions)
    fail_on: frozenset[str] = DEFAULT_FAIL_ON


def _terminal(proof: Proof, render_options: RenderOptions) -> str:
    from cloison.reports import terminal  # noqa: PLC0415  # another report does not load this one

    return terminal.render(
        proof,
        color=render_options.color,
        width=render_options.width,
        strict=render_options.strict,
        full=render_options.full,
    )


def _plan_terminal(plan: Plan, render_options: RenderOptions) -> str:
    from cloison.reports import plan_terminal  # noqa: PLC0415  # same

    return plan_terminal.render(
        plan,
        color=render_options.color,
        width=render_options.width,
        strict=render_options.strict,
        full=render_options.full,
    )


def _json(document: Proof | Plan, _render_options: RenderOptions) -> Iterator[str]:
    from cloison.reports import json  # noqa: PLC0415  # same

    return json.parts(document)


def _html(proof: Proof, _render_options: RenderOptions) -> str:
    from cloison.reports import html  # noqa: PLC0415  # same

    return html.render(proof)


def _markdown(document: Proof | Plan, render_options: RenderOptions) -> str:
    from cloison.reports import content, markdown  # noqa: PLC0415  # same

    return markdown.render(content.Content(document, strict=render_options.strict))


def _sarif(document: Proof | Plan, render_options: RenderOptions) -> str:
    from cloison.reports import content, sarif  # noqa: PLC0415  # same

    shown = content.Content(document, render_options.strict, render_options.fail_on)
    return sarif.render(shown, render_options.positions)


def _junit(document: Proof | Plan, render_options: RenderOptions) -> str:
    from cloison.reports import content, junit  # noqa: PLC0415  # same

    return junit.render(content.Content(document, render_options.strict, render_options.fail_on))


Renderer = Callable[["Proof", RenderOptions], "str | Iterator[str]"]
PlanRenderer = Callable[["Plan", RenderOptions], "str | Iterator[str]"]
REPORTS: Final[dict[str, Renderer]] = {
    "terminal": _terminal,
    "json": _json,
    "html": _html,
    "markdown": _markdown,
    "sarif": _sarif,
    "junit": _junit,
}
"""The reports of a proof."""
PLAN_REPORTS: Final[dict[str, PlanRenderer]] = {
    "terminal": _plan_terminal,
    "json": _json,
    "markdown": _markdown,
    "sarif": _sarif,
    "junit": _junit,
}
"""The reports of a plan."""
SUFFIXES: Final = {"json": ".json", "html": ".html", "markdown": ".md", "sarif": ".sarif", "junit": ".junit.xml"}
"""The suffix of a report's file; the terminal's is never a file."""
