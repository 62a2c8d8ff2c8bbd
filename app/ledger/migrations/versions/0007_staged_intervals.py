"""The table in which a transaction lays out the changes of a large proof, before it locks the project.

No temporary table, because the account of the application has no right to make one. Rows belong to the proof that
inserts them, and are deleted when it is stored.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0007"
down_revision = "0006"

NUMBER = mysql.BIGINT(unsigned=True)
WORD = sa.String(16, collation="ascii_bin")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "staged_interval",
        sa.Column("client", NUMBER, nullable=False, autoincrement=False),  # CONNECTION_ID()
        sa.Column("door_id", NUMBER, nullable=False, autoincrement=False),
        sa.Column("spanning", NUMBER),
        sa.Column("ends", WORD),
        sa.Column("begins", WORD),
        sa.Column("intended", WORD),
        sa.Column("predicted", WORD),
        sa.Column("observed", WORD),
        sa.Column("judgement", WORD),
        sa.Column("drift", sa.Boolean),
        sa.PrimaryKeyConstraint("client", "door_id"),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("staged_interval")
