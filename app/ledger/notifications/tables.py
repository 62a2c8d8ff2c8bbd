"""The tables of notifications, as their migration creates them."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

METADATA: Final = sa.MetaData()
TIME: Final = mysql.DATETIME(fsp=3)

WATCH: Final = sa.Table(
    "watch",
    METADATA,
    sa.Column("project_id", sa.BigInteger, primary_key=True),
    sa.Column("feed_key", sa.String),
    sa.Column("overdue_hours", sa.Integer),
    sa.Column("state", sa.String),
    sa.Column("problems", sa.LargeBinary),
)
EVENT: Final = sa.Table(
    "event",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("project_id", sa.BigInteger),
    sa.Column("kind", sa.String),
    sa.Column("cause", sa.String),
    sa.Column("at", TIME),
    sa.Column("digest", sa.LargeBinary),
    sa.Column("summary", sa.String),
    sa.Column("details", sa.String),
)
CHANNEL: Final = sa.Table(
    "channel",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("project_id", sa.BigInteger),
    sa.Column("name", sa.String),
    sa.Column("format", sa.String),
    sa.Column("target", sa.String),
    sa.Column("secret", sa.String),
    sa.Column("created", TIME),
)
DELIVERY: Final = sa.Table(
    "delivery",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("event_id", sa.BigInteger),
    sa.Column("channel_id", sa.BigInteger),
    sa.Column("message_id", sa.String),
    sa.Column("created", TIME),
    sa.Column("due", TIME),
    sa.Column("attempts", sa.Integer),
    sa.Column("sent", TIME),
    sa.Column("given_up", TIME),
    sa.Column("error", sa.String),
)
NOTIFIER: Final = sa.Table(
    "notifier",
    METADATA,
    sa.Column("id", sa.SmallInteger, primary_key=True),
    sa.Column("last_seen", TIME),
)
PROJECT: Final = sa.Table(  # a table of the archive; here for names and times
    "project",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.String),
    sa.Column("created", TIME),
    sa.Column("last_proof", sa.BigInteger),
)
