"""Sessions that their owner can tell apart, and passwords that must be changed at the first login."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009"
down_revision = "0008"

TIME = mysql.DATETIME(fsp=3)
SESSION_COLUMNS = ("address", "browser", "authenticated")


def upgrade() -> None:
    """Add the columns; a repeated run succeeds, because MariaDB commits after each."""
    columns = (
        ("session", sa.Column("address", sa.String(64, collation="ascii_bin"), nullable=False, server_default="")),
        ("session", sa.Column("browser", sa.String(64), nullable=False, server_default="")),
        # NULL in sessions of before: their owner confirms the password at the next administrative change.
        ("session", sa.Column("authenticated", TIME)),
        ("account", sa.Column("must_change_password", sa.Boolean, nullable=False, server_default=sa.false())),
    )
    for table, column in columns:
        op.add_column(table, column, if_not_exists=True)


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("account", "must_change_password", if_exists=True)
    for column in SESSION_COLUMNS:
        op.drop_column("session", column, if_exists=True)
