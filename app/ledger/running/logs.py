"""The log: one JSON object a line, on stderr.

Rule: a line has what its maker put into it by name, and no more. No header, no body, no query and no address of a page
gets into it, so no password, token, cookie or badge key can.
"""

import json
import logging
import sys
import time
from typing import Any, Final

from flask import g, has_request_context

NAMED: Final = "said"
"""Where a record carries what its line is to have beside the sentence."""


class AsJSON(logging.Formatter):
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
        line |= getattr(record, NAMED, {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def begin() -> None:
    """Let what the ledger logs go to stderr, and nowhere else; saying it twice changes nothing."""
    logger = logging.getLogger("ledger")
    if not any(isinstance(handler.formatter, AsJSON) for handler in logger.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(AsJSON())
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
