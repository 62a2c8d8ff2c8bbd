"""Makes markup from the package's templates.

Rule: a template escapes whatever it is given; nothing of the document is ever marked as safe.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cloison_view.connections import Document
from cloison_view.labels import SYMBOLS, display_name, pluralize, shown, sort_places

STATIC: Final = "static"


@cache
def environment() -> Environment:
    """Return the templates' world: everything is escaped, and what is missing is an error."""
    found = Environment(
        loader=PackageLoader("cloison_view"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(shown=shown, display_name=display_name, px=px)
    found.globals.update(symbols=SYMBOLS, pluralize=pluralize)
    return found


def render_template(template: str, **values: Any) -> Markup:
    """Return a template filled in."""
    return Markup(environment().get_template(template).render(**values))  # noqa: S704  # the template escaped it


def px(value: float) -> str:
    """Return a length without needless digits, the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")


class Anchors:
    """The names by which one part of a page refers to another, made of numbers alone."""

    def __init__(self, proof: Document) -> None:
        met = [part["place"] for part in (*proof["vantages"], *proof["endpoints"])]
        services = [part["name"] for part in proof["project"]["services"]]
        self.places = sort_places([*met, *services])
        self._number = {place: number for number, place in enumerate(self.places)}

    def place(self, name: str) -> str:
        """Return the anchor of what leads from a place."""
        return f"p{self._number[name]}"

    def pair(self, source: str, target: str) -> str:
        """Return the anchor of what leads from one place to another."""
        return f"e{self._number[source]}-{self._number[target]}"
