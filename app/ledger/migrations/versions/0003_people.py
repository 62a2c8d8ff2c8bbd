"""The tables of accounts, tokens, sessions, login attempts and the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

TIME = mysql.DATETIME(fsp=3)
NUMBER = mysql.BIGINT(unsigned=True)
DIGEST = sa.BINARY(32)  # SHA-256 of a secret
NAME = sa.String(63, collation="ascii_bin")
SENTENCE = sa.String(255)


def account() -> sa.Column[int]:
    """Return a foreign key of an account, with ON DELETE CASCADE."""
    return sa.Column("account_id", NUMBER, sa.ForeignKey("account.id", ondelete="CASCADE"), nullable=False)


def project() -> sa.Column[int]:
    """Return a foreign key of a project, with ON DELETE CASCADE."""
    return sa.Column("project_id", NUMBER, sa.ForeignKey("project.id", ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    """Create the tables; a repeated run succeeds, because MariaDB commits after each."""
    op.create_table(
        "account",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("name", NAME, nullable=False, unique=True),
        sa.Column("password", sa.String(255, collation="ascii_bin"), nullable=False),
        sa.Column("is_administrator", sa.Boolean, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("disabled", TIME),
        if_not_exists=True,
    )
    op.create_table(
        "membership",
        account(),
        project(),
        sa.PrimaryKeyConstraint("account_id", "project_id"),
        if_not_exists=True,
    )
    op.create_table(
        "token",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        project(),
        sa.Column("name", NAME, nullable=False),
        sa.Column("hash", DIGEST, nullable=False, unique=True),
        sa.Column("may_read", sa.Boolean, nullable=False),
        sa.Column("may_write", sa.Boolean, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("last_used", TIME),
        sa.Column("revoked", TIME),
        if_not_exists=True,
    )
    for table in ("session", "device"):
        op.create_table(
            table,
            sa.Column("hash", DIGEST, primary_key=True),
            account(),
            sa.Column("created", TIME, nullable=False),
            sa.Column("last_seen", TIME, nullable=False),
            sa.Column("ends", TIME, nullable=False),
            if_not_exists=True,
        )
    op.create_table(
        "attempt",
        sa.Column("bucket", DIGEST, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last", TIME, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "audit",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("about", SENTENCE, nullable=False),
        sa.Column("address", sa.String(64, collation="ascii_bin"), nullable=False),
        sa.Column("request_id", sa.String(64, collation="ascii_bin"), nullable=False),
        if_not_exists=True,
    )
    # After the tables, so that a repeated run creates those that are missing.
    for table, column in (("session", "ends"), ("device", "ends"), ("attempt", "last"), ("audit", "at")):
        op.create_index(f"{table}_by_{column}", table, [column], if_not_exists=True)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("audit", "attempt", "device", "session", "token", "membership", "account"):
        op.drop_table(table)
