"""The log format: one JSON object for each line, on stderr.

Rule: a line has only the fields that the code names. No header, body, query string or path is logged, so that no
password, token, cookie or badge key can be.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from flask import g, has_request_context

EXTRA_FIELDS: Final = "fields"
"""The attribute of a log record with the additional fields of its line."""
TOKEN: Final = re.compile(r"clo_[A-Za-z0-9_-]+")
"""Tokens are removed from every line, because a library's message could contain one."""


class JSONFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context() and "request_id" in g:
            line["request_id"] = g.request_id
        line |= getattr(record, EXTRA_FIELDS, {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return TOKEN.sub("clo_…", json.dumps(line, ensure_ascii=False))


def configure() -> None:
    """Send the log of the ledger to stderr only; a second call has no effect."""
    logger = logging.getLogger("ledger")
    if not any(isinstance(handler.formatter, JSONFormatter) for handler in logger.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JSONFormatter())
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


GUNICORN_LOGGING: Final[Mapping[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JSONFormatter}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "loggers": {"gunicorn.error": {"level": "WARNING", "handlers": ["stderr"], "propagate": False}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
}
"""The configuration of gunicorn's loggers: the same format, from WARNING on."""
