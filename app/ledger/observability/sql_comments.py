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
    event.listen(engine, "before_cursor_execute", _mark, retval=True)
    event.listen(engine, "after_cursor_execute", _add_up)


def _mark(
    _connection: Any,
    _cursor: Any,
    statement: str,
    parameters: Any,
    context: Any,
    _many: bool,  # noqa: FBT001
) -> tuple[str, Any]:
    context.began = time.perf_counter()
    # request_id is 32 hexadecimal digits, whoever gave it: requests.NUMBER.
    if has_request_context() and "request_id" in g:
        verb, space, rest = statement.lstrip().partition(" ")
        statement = f"{verb} /* request {g.request_id} */{space}{rest}"
    return statement, parameters


def _add_up(
    _connection: Any,
    _cursor: Any,
    _statement: str,
    _parameters: Any,
    context: Any,
    _many: bool,  # noqa: FBT001
) -> None:
    if has_request_context() and "spent" in g:
        g.spent.statements += 1
        g.spent.seconds += time.perf_counter() - context.began
