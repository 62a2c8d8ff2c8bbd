"""The health endpoints, always JSON: `/healthz` (the process answers) and `/readyz` (the database answers, too).

Rule: a database that is away makes the application not ready, never unhealthy: app/healthcheck.py asks `/healthz`, and
monitoring asks `/readyz`.
"""

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from ledger.authorization import Access, requires

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@requires(Access.PUBLIC)
def healthz() -> ResponseReturnValue:
    """Answer 200 without a query to the database."""
    return {"status": "alive"}


@bp.get("/readyz")
@requires(Access.PUBLIC)
def readyz() -> ResponseReturnValue:
    """Answer 200 if the database answers within `settings.ready_timeout` seconds, else 503."""
    try:
        current_app.extensions["readiness"]()
    except (SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
        return {"status": "not ready", "reason": _reason(error)}, 503
    return {"status": "ready"}


def _reason(error: Exception) -> str:
    return "the database did not answer in time" if isinstance(error, TimeoutError) else "the database does not answer"
