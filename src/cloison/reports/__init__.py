"""The reports: each renders a proof document as text.

Input: a proof and `RenderOptions`. Output: a string, or its parts where the report may be large.
Rule: a report reads the document only, and takes every number from `cloison_view.summary`. A new report is a module and
a row of `REPORTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloison.proof.schema import Proof


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """Options of the terminal report; `width` is in columns. The other reports ignore them."""

    color: bool = False
    width: int = 100
    strict: bool = False


def _terminal(proof: Proof, render_options: RenderOptions) -> str:
    from cloison.reports import terminal  # noqa: PLC0415  # another report does not load this one

    return terminal.render(proof, color=render_options.color, width=render_options.width, strict=render_options.strict)


def _json(proof: Proof, _render_options: RenderOptions) -> Iterator[str]:
    from cloison.reports import json  # noqa: PLC0415  # same

    return json.parts(proof)


def _html(proof: Proof, _render_options: RenderOptions) -> str:
    from cloison.reports import html  # noqa: PLC0415  # same

    return html.render(proof)


Renderer = Callable[["Proof", RenderOptions], "str | Iterator[str]"]
REPORTS: Final[dict[str, Renderer]] = {"terminal": _terminal, "json": _json, "html": _html}
