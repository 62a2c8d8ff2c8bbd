"""The table of visits: sixteen counters, so that several processes can increment them at once."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SHARDS = 16


def upgrade() -> None:
    """Create the table and its rows; a repeated run succeeds, because MariaDB commits between the two."""
    op.create_table(
        "visits",
        sa.Column("shard", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("seen", sa.BigInteger, nullable=False, server_default="0"),
        if_not_exists=True,
    )
    for shard in range(SHARDS):
        op.execute(sa.text("INSERT IGNORE INTO visits (shard) VALUES (:shard)").bindparams(shard=shard))


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("visits")
