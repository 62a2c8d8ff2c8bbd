"""Renders the templates of the package.

Input: values for a template. Output: markup.
Rule: a template escapes every value; no text of the document is ever marked as safe.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cloison_view.connections import Document
from cloison_view.labels import SYMBOLS, display_name, pluralize, shown, sort_places, total, value_word

STATIC: Final = "static"


@cache
def environment() -> Environment:
    """Return the environment of the templates: every value is escaped, and a missing one is an error."""
    found = Environment(
        loader=PackageLoader("cloison_view"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(shown=shown, display_name=display_name, px=px, value_word=value_word)
    found.globals.update(symbols=SYMBOLS, pluralize=pluralize, total=total)
    return found


def render_template(template: str, **values: Any) -> Markup:
    """Return a template filled in."""
    return Markup(environment().get_template(template).render(**values))  # noqa: S704  # the template escaped it


def px(value: float) -> str:
    """Return a length with at most one decimal, the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")


class Anchors:
    """The anchors of the evidence, made of numbers only, and the addresses of them.

    The evidence is on the same page, or on a page of its own for each source: `elsewhere` is then the address of these
    pages, to which the number of a source is added.
    """

    def __init__(self, proof: Document, elsewhere: str = "") -> None:
        self._elsewhere = elsewhere
        known = [part["place"] for part in (*proof["vantages"], *proof["endpoints"])]
        services = [part["name"] for part in proof["project"]["services"]]
        self.places = sort_places([*known, *services])
        self._number = {place: number for number, place in enumerate(self.places)}

    def place(self, name: str) -> str:
        """Return the anchor of the evidence from a place."""
        return f"p{self._number[name]}"

    def pair(self, source: str, target: str) -> str:
        """Return the anchor of the evidence from one place to another."""
        return f"e{self._number[source]}-{self._number[target]}"

    def place_link(self, name: str) -> str:
        """Return the address of the evidence from a place."""
        return f"{self._page(name)}#{self.place(name)}"

    def pair_link(self, source: str, target: str) -> str:
        """Return the address of the evidence from one place to another."""
        return f"{self._page(source)}#{self.pair(source, target)}"

    def _page(self, source: str) -> str:
        return f"{self._elsewhere}/{self._number[source]}" if self._elsewhere else ""
