"""The tables of notifications: what is watched of each project, events, channels, deliveries, and the notifier."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0008"
down_revision = "0007"

TIME = mysql.DATETIME(fsp=3)
NUMBER = mysql.BIGINT(unsigned=True)
WORD = sa.String(16, collation="ascii_bin")
KEY = sa.CHAR(32, collation="ascii_bin")
SENTENCE = sa.String(255)


def number() -> sa.Column[int]:
    """Return the primary key of a table."""
    return sa.Column("id", NUMBER, primary_key=True, autoincrement=True)


def reference(table: str, *, is_key: bool = False) -> sa.Column[int]:
    """Return a foreign key with ON DELETE CASCADE."""
    key = sa.ForeignKey(f"{table}.id", ondelete="CASCADE")
    return sa.Column(f"{table}_id", NUMBER, key, nullable=False, primary_key=is_key, autoincrement=False)


def upgrade() -> None:
    """Create the tables; a repeated run succeeds, because MariaDB commits after each."""
    op.create_table(
        "watch",
        reference("project", is_key=True),
        sa.Column("feed_key", KEY, nullable=False, unique=True),
        sa.Column("overdue_hours", sa.Integer, nullable=False, server_default="48"),
        sa.Column("state", WORD, nullable=False, server_default=""),
        sa.Column("problems", mysql.MEDIUMBLOB, nullable=False, server_default=""),
        if_not_exists=True,
    )
    op.create_table(
        "event",
        number(),
        reference("project"),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("cause", sa.String(80, collation="ascii_bin"), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("digest", sa.BINARY(32)),
        sa.Column("summary", sa.String(500), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.UniqueConstraint("project_id", "kind", "cause", name="event_once"),
        if_not_exists=True,
    )
    op.create_table(
        "channel",
        number(),
        reference("project"),
        sa.Column("name", sa.String(63, collation="ascii_bin"), nullable=False),
        sa.Column("format", WORD, nullable=False),
        sa.Column("target", sa.String(2000, collation="utf8mb4_bin"), nullable=False),
        sa.Column("secret", sa.String(255, collation="ascii_bin"), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.UniqueConstraint("project_id", "name", name="channel_once"),
        if_not_exists=True,
    )
    op.create_table(
        "delivery",
        number(),
        reference("event"),
        reference("channel"),
        sa.Column("message_id", KEY, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("due", TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("sent", TIME),
        sa.Column("given_up", TIME),
        sa.Column("error", SENTENCE, nullable=False, server_default=""),
        sa.UniqueConstraint("event_id", "channel_id", name="delivery_once"),
        if_not_exists=True,
    )
    op.create_table(
        "notifier",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("last_seen", TIME, nullable=False),
        if_not_exists=True,
    )
    # After the tables, so that a repeated run creates those that are missing.
    op.create_index("event_in_order", "event", ["project_id", "id"], if_not_exists=True)
    op.create_index("delivery_due", "delivery", ["sent", "given_up", "due"], if_not_exists=True)
    op.create_index("delivery_of_channel", "delivery", ["channel_id", "sent", "given_up", "id"], if_not_exists=True)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("notifier", "delivery", "channel", "event", "watch"):
        op.drop_table(table)
