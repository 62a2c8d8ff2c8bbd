"""What the frame of every page needs to know: who looks at it."""

from typing import Any

from flask import g


def given() -> dict[str, Any]:
    """Return `person`: who looks, None where nobody has to have logged in."""
    return {"person": g.get("principal")}
