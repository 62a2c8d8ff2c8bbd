"""What machines ask: does the process live, can it serve. Always JSON."""

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from ledger.authorization import Access, requires

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@requires(Access.PUBLIC)
def healthz() -> ResponseReturnValue:
    """Say that the process answers, whatever the database does."""
    return {"status": "alive"}


@bp.get("/readyz")
@requires(Access.PUBLIC)
def readyz() -> ResponseReturnValue:
    """Say whether the database answers, soon."""
    try:
        current_app.extensions["readiness"]()
    except (SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
        return {"status": "not ready", "reason": _reason(error)}, 503
    return {"status": "ready"}


def _reason(error: Exception) -> str:
    return "the database did not answer in time" if isinstance(error, TimeoutError) else "the database does not answer"
