"""Sessions that their owner can tell apart, and passwords that must be changed at the first login."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "people_sessions"
down_revision = "0003"

TIME = mysql.DATETIME(fsp=3)
SESSION_COLUMNS = ("address", "browser", "authenticated")


def upgrade() -> None:
    """Add the columns; a repeated run succeeds, because MariaDB commits after each."""
    text = {"nullable": False, "server_default": ""}
    # ascii_bin, as the audit log has it: an address is its canonical text.
    op.add_column("session", sa.Column("address", sa.String(64, collation="ascii_bin"), **text), if_not_exists=True)
    op.add_column("session", sa.Column("browser", sa.String(64), **text), if_not_exists=True)
    # NULL in sessions of before: their owner confirms the password at the next administrative change.
    op.add_column("session", sa.Column("authenticated", TIME), if_not_exists=True)
    op.add_column(
        "account",
        sa.Column("must_change_password", sa.Boolean, nullable=False, server_default=sa.false()),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("account", "must_change_password", if_exists=True)
    for column in SESSION_COLUMNS:
        op.drop_column("session", column, if_exists=True)
