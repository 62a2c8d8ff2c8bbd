"""Columns for proofs that are placed by their arrival, and for the name that a document gives to its project.

Until here a proof whose clock was ahead had its place in the future, and was the last one of its project for ever. Its
place is now the earlier of its start and its arrival. Projects with such a proof are marked, and
`ledger.archive.rebuild` derives their intervals again after the migration.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAME = sa.String(255, collation="utf8mb4_nopad_bin")


def upgrade() -> None:
    """Add the columns; a repeated run succeeds, because MariaDB commits after each statement."""
    op.add_column("project", sa.Column("stale", sa.Boolean, nullable=False, server_default="0"), if_not_exists=True)
    op.add_column("proof", sa.Column("compose_project", NAME, nullable=False, server_default=""), if_not_exists=True)
    # Finds the interval of a connection that ends with a proof, or has no end, without those before it.
    op.create_index("spell_by_end", "spell", ["door_id", "until_proof"], if_not_exists=True)
    # No query needs this one, and every changed connection would pay for it.
    op.drop_index("spell_at", "spell", if_exists=True)
    op.execute("UPDATE project SET stale = 1 WHERE id IN (SELECT project_id FROM proof WHERE started > received)")
    op.execute("UPDATE proof SET started = received WHERE started > received")


def downgrade() -> None:
    """Drop the columns."""
    op.create_index("spell_at", "spell", ["door_id", "observed", "since", "until"])
    op.drop_index("spell_by_end", "spell")
    op.drop_column("proof", "compose_project")
    op.drop_column("project", "stale")
