"""The time as the tables hold it: UTC, without saying so."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the moment."""
    return datetime.now(UTC).replace(tzinfo=None)
