"""The second factor of accounts: a TOTP secret, recovery codes, and logins that wait for a code."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision = "0009"

TIME = mysql.DATETIME(fsp=3)
NUMBER = mysql.BIGINT(unsigned=True)
DIGEST = sa.BINARY(32)  # SHA-256 of a secret


def account(*, is_key: bool = False) -> sa.Column[int]:
    """Return a foreign key of an account, with ON DELETE CASCADE."""
    owner = sa.ForeignKey("account.id", ondelete="CASCADE")
    return sa.Column("account_id", NUMBER, owner, nullable=False, primary_key=is_key, autoincrement=False)


def upgrade() -> None:
    """Create the tables; a repeated run succeeds, because MariaDB commits after each."""
    op.create_table(
        "second_factor",
        account(is_key=True),
        sa.Column("secret", sa.String(64, collation="ascii_bin"), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("confirmed", TIME),
        sa.Column("last_step", NUMBER, nullable=False, server_default="0"),
        if_not_exists=True,
    )
    op.create_table(
        "recovery_code",
        account(is_key=True),
        sa.Column("hash", DIGEST, primary_key=True),
        sa.Column("used", TIME),
        if_not_exists=True,
    )
    op.create_table(
        "pending_login",
        sa.Column("hash", DIGEST, primary_key=True),
        account(),
        sa.Column("created", TIME, nullable=False),
        sa.Column("last_seen", TIME, nullable=False),
        sa.Column("ends", TIME, nullable=False),
        if_not_exists=True,
    )
    op.create_index("pending_login_by_ends", "pending_login", ["ends"], if_not_exists=True)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("pending_login", "recovery_code", "second_factor"):
        op.drop_table(table)
