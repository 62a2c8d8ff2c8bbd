"""Identities of users at an OpenID provider, and logins that wait for its answer."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0011"
down_revision = "0010"

TIME = mysql.DATETIME(fsp=3)
NUMBER = mysql.BIGINT(unsigned=True)


def account(*, is_optional: bool = False) -> sa.Column[int]:
    """Return a foreign key of an account, with ON DELETE CASCADE."""
    return sa.Column("account_id", NUMBER, sa.ForeignKey("account.id", ondelete="CASCADE"), nullable=is_optional)


def upgrade() -> None:
    """Create the tables; a repeated run succeeds, because MariaDB commits after each."""
    op.create_table(
        "identity",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        account(),
        # utf8mb4_nopad_bin: issuer and subject are compared byte by byte, trailing blanks included.
        sa.Column("issuer", sa.String(255, collation="utf8mb4_nopad_bin"), nullable=False),
        sa.Column("subject", sa.String(255, collation="utf8mb4_nopad_bin"), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.UniqueConstraint("issuer", "subject", name="identity_by_subject"),
        sa.UniqueConstraint("account_id", "issuer", name="identity_by_account"),
        if_not_exists=True,
    )
    op.create_table(
        "provider_login",
        sa.Column("hash", sa.BINARY(32), primary_key=True),
        account(is_optional=True),
        sa.Column("purpose", sa.String(16, collation="ascii_bin"), nullable=False),
        sa.Column("next_path", sa.String(2000), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("ends", TIME, nullable=False),
        if_not_exists=True,
    )
    op.create_index("provider_login_by_ends", "provider_login", ["ends"], if_not_exists=True)
    # The provider has checked the user of such a session, so a password of somebody else's making does not matter.
    by_provider = sa.Column("is_by_provider", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("session", by_provider, if_not_exists=True)


def downgrade() -> None:
    """Drop the tables and the column."""
    op.drop_column("session", "is_by_provider", if_exists=True)
    for table in ("provider_login", "identity"):
        op.drop_table(table)
