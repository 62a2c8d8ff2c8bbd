"""Names differ in their spaces at the end, too: collations without padding, and a name is what its bytes say.

Until here `db` and `db ` were one name to the database and two to everybody else, so a proof with both could not be
stored, and a page was found under a name that the project does not have.

https://mariadb.com/docs/server/reference/data-types/string-data-types/character-sets/supported-character-sets-and-collations
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# (table, column, its length, its character set before). Now each is utf8mb4: MariaDB refuses to compare a name of ASCII
# with one that has other letters (error 1267), and that is no answer for a page that does not exist.
NAMES = (
    ("door", "source", 255, "utf8mb4"),
    ("door", "target", 255, "utf8mb4"),
    ("proof", "tool", 255, "utf8mb4"),
    ("proof", "engine", 255, "utf8mb4"),
    ("proof", "machine", 255, "utf8mb4"),
    ("project", "name", 63, "ascii"),
    ("project", "badge_key", 32, "ascii"),
    ("account", "name", 63, "ascii"),
    ("token", "name", 63, "ascii"),
)


def upgrade() -> None:
    """Change the collations; a repeated run succeeds."""
    for table, column, length, _ in NAMES:
        _collate(table, column, sa.String(length, collation="utf8mb4_nopad_bin"))


def downgrade() -> None:
    """Change the collations back."""
    for table, column, length, charset in NAMES:
        _collate(table, column, sa.String(length, collation=f"{charset}_bin"))


def _collate(table: str, column: str, kind: sa.String) -> None:
    op.alter_column(table, column, existing_type=kind, type_=kind, existing_nullable=False)
