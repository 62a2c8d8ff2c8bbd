"""The time until which a token is valid."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column; tokens of before have no end."""
    op.add_column("token", sa.Column("expires", mysql.DATETIME(fsp=3)), if_not_exists=True)


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("token", "expires", if_exists=True)
