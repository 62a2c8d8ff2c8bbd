"""Error responses: an HTML page or a JSON document, never a traceback."""

import re
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, current_app, g, jsonify, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from werkzeug.exceptions import HTTPException, UnprocessableEntity

from ledger.content_negotiation import prefers_json
from ledger.database import DISK_FULL_CODES, code

# Sentences for users; any other status has the sentence of werkzeug.
SENTENCES: Final = {
    HTTPStatus.NOT_FOUND: "There is no page at this address, or you may not see it.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "An error occurred in the ledger. The log of the app service has the details.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database does not answer at the moment. It is usually back within seconds.",
    HTTPStatus.INSUFFICIENT_STORAGE: "The database has no space left. Nothing was stored; try again later.",
}


# The member of a proof that a column has its value from.
MEMBERS: Final = {
    "source": "vantages/place",
    "target": "endpoints/place",
    "protocol": "endpoints/protocol",
    "port": "endpoints/service_port",
    "door_once": "endpoints/place",
    "word": "verdict/word",
    "exit_code": "verdict/exit_code",
    "compose_project": "project/name",
    "machine": "machine/name",
    "tool": "tool/version",
    "engine": "engine/version",
}
# MariaDB's messages name a column ("... for column `ledger`.`door`.`source` at row 1") or a key ("... for key 'NAME'").
REFUSED_COLUMN: Final = re.compile(r"column (?:[`'][^`']*[`']\.)*[`']([^`']+)[`']|key '([^']+)'|CONSTRAINT `([^`]+)`")


class Refused(UnprocessableEntity):
    """A document that the ledger does not store; `reason` is a word for programs."""

    def __init__(self, description: str, reason: str) -> None:
        super().__init__(description)
        self.reason = reason


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(SQLAlchemyError, _no_database)
    app.register_error_handler(DataError, _not_storable)
    app.register_error_handler(IntegrityError, _not_storable)
    app.register_error_handler(OSError, _no_database)  # no password file yet, or a time-out


def _refused(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None:  # a complete response, such as a redirect
        return error.response
    status = HTTPStatus(error.code or 500)
    response = _show(status, error.description or "", getattr(error, "reason", ""))
    response.headers.extend(
        {name: value for name, value in error.get_headers() if name not in {"Content-Type", "Content-Length"}}
    )
    return response


def _no_database(error: Exception) -> ResponseReturnValue:
    # One line with the server's message, not a traceback for every request while the database is away.
    current_app.logger.warning("no answer from the database: %s", str(error).splitlines()[:1])
    is_full = isinstance(error, DBAPIError) and code(error) in DISK_FULL_CODES
    return _show(HTTPStatus.INSUFFICIENT_STORAGE if is_full else HTTPStatus.SERVICE_UNAVAILABLE, "")


def _not_storable(error: Exception) -> ResponseReturnValue:
    """Answer for a value that a column cannot hold: the client's to change, and no fault of the database."""
    current_app.logger.warning("the database refused a value: %s", str(error).splitlines()[:1])
    return _show(HTTPStatus.UNPROCESSABLE_ENTITY, refusal(error), "invalid")


def refusal(error: Exception) -> str:
    """Return a sentence that names the member of a document, or the column, whose value the database refuses."""
    found = REFUSED_COLUMN.search(str(getattr(error, "orig", error)))
    column = (found[1] or found[2] or found[3]) if found else ""
    member = MEMBERS.get(column, column) or "the document"
    return f"{member}: the database cannot store this value, because it is too long, out of range, or given twice."


def _show(status: HTTPStatus, fallback: str, reason: str = "") -> Response:
    detail = SENTENCES.get(status, fallback)
    if prefers_json():
        error = {"status": status.value, "title": status.phrase, "detail": detail}
        error |= {"reason": reason} if reason else {}
        response = jsonify(error=error | ({"request_id": g.request_id} if "request_id" in g else {}))
    else:
        response = Response(render_template("error.html", status=status, detail=detail))
    response.status_code = status
    response.vary.add("Accept")
    return response
