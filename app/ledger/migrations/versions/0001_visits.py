"""Visits, counted in sixteen rows so that several processes can add at once."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SHARDS = 16


def upgrade() -> None:
    """Make the table, and its rows in a way that a second try survives: MariaDB commits between the two."""
    op.create_table(
        "visits",
        sa.Column("shard", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("seen", sa.BigInteger, nullable=False, server_default="0"),
        if_not_exists=True,
    )
    for shard in range(SHARDS):
        op.execute(sa.text("INSERT IGNORE INTO visits (shard) VALUES (:shard)").bindparams(shard=shard))


def downgrade() -> None:
    """Forget every visit."""
    op.drop_table("visits")
