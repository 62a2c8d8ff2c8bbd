"""The tables of proofs: documents, connections (`door`) and their intervals (`spell`)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

TIME = mysql.DATETIME(fsp=3)
NAME = sa.String(255, collation="utf8mb4_bin")  # names are case-sensitive
WORD = sa.String(16, collation="ascii_bin")
NUMBER = mysql.BIGINT(unsigned=True)


def upgrade() -> None:
    """Create the tables; a repeated run succeeds, because MariaDB commits after each."""
    op.create_table(
        "project",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(63, collation="ascii_bin"), nullable=False, unique=True),
        sa.Column("created", TIME, nullable=False),
        sa.Column("badge_key", sa.CHAR(32, collation="ascii_bin"), nullable=False, unique=True),
        sa.Column("keep_all_days", sa.Integer, nullable=False, server_default="30"),
        sa.Column("keep_daily_days", sa.Integer, nullable=False, server_default="365"),
        # The columns of the project list, updated with every added or deleted proof, so that the list reads no proof.
        sa.Column("proofs", NUMBER, nullable=False, server_default="0"),
        sa.Column("last_proof", NUMBER),
        sa.Column("changed_proof", NUMBER),
        sa.Column("trend", sa.String(255, collation="ascii_bin"), nullable=False, server_default=""),
        if_not_exists=True,
    )
    op.create_table(
        "proof",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("project_id", NUMBER, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("digest", sa.BINARY(32), nullable=False),
        sa.Column("word", WORD, nullable=False),
        sa.Column("exit_code", sa.SmallInteger, nullable=False),
        sa.Column("started", TIME, nullable=False),
        sa.Column("received", TIME, nullable=False),
        sa.Column("duration_ms", NUMBER, nullable=False),
        sa.Column("tool", NAME, nullable=False),
        sa.Column("engine", NAME, nullable=False),
        sa.Column("machine", NAME, nullable=False),
        sa.Column("totals", sa.Text, nullable=False),
        sa.Column("state", sa.BINARY(32), nullable=False),
        sa.Column("repeats", sa.Boolean, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.UniqueConstraint("project_id", "digest", name="proof_once"),
        if_not_exists=True,
    )
    op.create_table(
        "document",
        sa.Column("proof_id", NUMBER, sa.ForeignKey("proof.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("body", mysql.LONGBLOB, nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "door",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("project_id", NUMBER, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("protocol", WORD, nullable=False),
        sa.Column("port", NUMBER, nullable=False),
        sa.UniqueConstraint("project_id", "target", "port", "protocol", "source", name="door_once"),
        if_not_exists=True,
    )
    op.create_table(
        "spell",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("door_id", NUMBER, sa.ForeignKey("door.id"), nullable=False),
        sa.Column("intended", WORD, nullable=False),
        sa.Column("predicted", WORD, nullable=False),
        sa.Column("observed", WORD, nullable=False),
        sa.Column("judgement", WORD, nullable=False),
        sa.Column("drift", sa.Boolean, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("since_proof", NUMBER, nullable=False),
        sa.Column("until", TIME),
        sa.Column("until_proof", NUMBER),
        if_not_exists=True,
    )
    # After the tables, so that a repeated run creates those that are missing.
    op.create_index("proof_in_order", "proof", ["project_id", "started", "id"], if_not_exists=True)
    op.create_index("proof_changes_in_order", "proof", ["project_id", "repeats", "started", "id"], if_not_exists=True)
    op.create_index("door_by_source", "door", ["project_id", "source"], if_not_exists=True)
    op.create_index("spell_in_order", "spell", ["door_id", "since", "since_proof"], if_not_exists=True)
    op.create_index("spell_at", "spell", ["door_id", "observed", "since", "until"], if_not_exists=True)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("spell", "door", "document", "proof", "project"):
        op.drop_table(table)
