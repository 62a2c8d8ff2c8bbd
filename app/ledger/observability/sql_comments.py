"""Each SQL statement carries the number of the request that asks it, so that MariaDB's own logs lead back to it.

Rule: the number stands behind the first word. PyMySQL sends many rows in one INSERT only if it finds INSERT first and
the rows' end last; anywhere else, the number would make it one statement a row.
"""

import time
from typing import Any

from flask import g, has_request_context
from sqlalchemy import Engine, event


def init_app(engine: Engine) -> None:
    """Mark what this engine sends, and add up what a request spends on it."""
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
    # request_id is 32 hexadecimal digits, whoever gave it: requests.REQUEST_ID.
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
