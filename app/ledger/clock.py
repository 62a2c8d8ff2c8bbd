"""The current time as the tables store it: UTC without a zone."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC).replace(tzinfo=None)
