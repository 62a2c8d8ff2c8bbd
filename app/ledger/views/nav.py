"""What the frame of every page shows: who looks at it."""

from collections.abc import Hashable
from typing import Any

from flask import g


def given() -> dict[str, Any]:
    """Return `person`: who looks, None where nobody has to have logged in."""
    return {"person": g.get("principal")}


def shows() -> Hashable:
    """Return what decides the frame, so that nobody is told that another's page is still his."""
    person = g.get("principal")
    return person and (person.name, person.is_administrator)
