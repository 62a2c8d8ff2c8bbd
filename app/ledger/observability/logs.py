"""The log: one JSON object a line, on stderr.

Rule: a line has what its maker put into it by name, and no more. No header, no body, no query and no address of a page
gets into it, so no password, token, cookie or badge key can.
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
"""Where a record carries what its line is to have beside the sentence."""
TOKEN: Final = re.compile(r"clo_[A-Za-z0-9_-]+")
"""No line is meant to have a token in it; a sentence of a library's own might."""


class JSONFormatter(logging.Formatter):
    """Writes a record as one line."""

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
    """Let what the ledger logs go to stderr, and nowhere else; saying it twice changes nothing."""
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
"""What the server's own loggers are told: the same lines. A start and a stop are no news; Docker logs them already."""
