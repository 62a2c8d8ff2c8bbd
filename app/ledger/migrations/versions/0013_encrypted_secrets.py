"""Secrets that are sent or computed with are encrypted: addresses and secrets of channels, TOTP secrets."""

import sqlalchemy as sa
from alembic import op

from ledger.encryption import stored
from ledger.encryption.keys import MARK, keys_of

revision = "0013"
down_revision = "0012"

CIPHERTEXT = {"collation": "ascii_bin"}
# Table, column, what it was, and its length now: 4/3 of what Fernet adds to 2,000 characters of four bytes, 255 and 64.
COLUMNS = (
    ("channel", "target", sa.String(2000, collation="utf8mb4_bin"), 12_000),
    ("channel", "secret", sa.String(255, collation="ascii_bin"), 1000),
    ("second_factor", "secret", sa.String(64, collation="ascii_bin"), 1000),
)


def upgrade() -> None:
    """Widen the columns and encrypt what is in them; a repeated run encrypts nothing twice."""
    for table, column, before, length in COLUMNS:
        after = sa.String(length, **CIPHERTEXT)
        op.alter_column(table, column, existing_type=before, type_=after, existing_nullable=False)
    connection = op.get_bind()
    keys = keys_of(connection)
    stored.change_each(connection, lambda value, place: value if value.startswith(MARK) else keys.encrypt(value, place))


def downgrade() -> None:
    """Decrypt the values; rows that cannot be read are deleted."""
    connection = op.get_bind()
    keys = keys_of(connection)
    stored.change_each(connection, keys.decrypt)
    for table, column, before, length in COLUMNS:
        op.execute(f"DELETE FROM {table} WHERE {column} LIKE '{MARK}%'")  # noqa: S608 - names of ours
        after = sa.String(length, **CIPHERTEXT)
        op.alter_column(table, column, existing_type=after, type_=before, existing_nullable=False)
