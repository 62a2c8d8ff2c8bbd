"""Adds the request id as a comment to each SQL statement, so that MariaDB's logs can be matched with requests.

Rule: the comment follows the first word. PyMySQL combines many rows into one INSERT only if the statement begins with
INSERT and ends after the values (pymysql.cursors.RE_INSERT_VALUES); a comment elsewhere would prevent that.
"""

import time
from typing import Any

from flask import g, has_request_context
from sqlalchemy import Engine, event


def init_app(engine: Engine) -> None:
    """Add the comment to every statement of this engine, and sum up number and time for each request."""
    event.listen(engine, "before_cursor_execute", _add_request_comment, retval=True)
    event.listen(engine, "after_cursor_execute", _record_usage)


def _add_request_comment(
    _connection: Any,
    _cursor: Any,
    statement: str,
    parameters: Any,
    context: Any,
    _many: bool,  # noqa: FBT001
) -> tuple[str, Any]:
    context.started_at = time.perf_counter()
    # request_id is 32 hexadecimal digits (requests.REQUEST_ID), so that it cannot end the comment.
    if has_request_context() and "request_id" in g:
        verb, space, rest = statement.lstrip().partition(" ")
        statement = f"{verb} /* request {g.request_id} */{space}{rest}"
    return statement, parameters


def _record_usage(
    _connection: Any,
    _cursor: Any,
    _statement: str,
    _parameters: Any,
    context: Any,
    _many: bool,  # noqa: FBT001
) -> None:
    if has_request_context() and "database_usage" in g:
        g.database_usage.statements += 1
        g.database_usage.seconds += time.perf_counter() - context.started_at
