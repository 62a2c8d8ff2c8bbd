"""The table of what each token has added today: proofs and changed connections."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"

NUMBER = mysql.BIGINT(unsigned=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "token_usage",
        sa.Column("token_id", NUMBER, sa.ForeignKey("token.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("proofs", NUMBER, nullable=False),
        sa.Column("changes", NUMBER, nullable=False),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("token_usage")
