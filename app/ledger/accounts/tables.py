"""The tables of accounts, as migration 0003 creates them and later ones change them."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

METADATA: Final = sa.MetaData()
TIME: Final = mysql.DATETIME(fsp=3)
DIGEST: Final = sa.BINARY(32)


def browser_secret_table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    """Return a table of secrets that browsers have for an account, with further columns."""
    return sa.Table(
        name,
        METADATA,
        sa.Column("hash", DIGEST, primary_key=True),
        sa.Column("account_id", sa.BigInteger),
        sa.Column("created", TIME),
        sa.Column("last_seen", TIME),
        sa.Column("ends", TIME),
        *columns,
    )


ACCOUNT: Final = sa.Table(
    "account",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.String),
    sa.Column("password", sa.String),
    sa.Column("is_administrator", sa.Boolean),
    sa.Column("created", TIME),
    sa.Column("disabled", TIME),
    sa.Column("must_change_password", sa.Boolean),
)
PROJECT: Final = sa.Table(  # a table of the archive; here for its name
    "project",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.String),
    sa.Column("created", TIME),
    sa.Column("badge_key", sa.String),
)
MEMBERSHIP: Final = sa.Table(
    "membership",
    METADATA,
    sa.Column("account_id", sa.BigInteger, primary_key=True),
    sa.Column("project_id", sa.BigInteger, primary_key=True),
)
TOKEN: Final = sa.Table(
    "token",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("project_id", sa.BigInteger),
    sa.Column("name", sa.String),
    sa.Column("hash", DIGEST),
    sa.Column("may_read", sa.Boolean),
    sa.Column("may_write", sa.Boolean),
    sa.Column("created", TIME),
    sa.Column("last_used", TIME),
    sa.Column("revoked", TIME),
    sa.Column("expires", TIME),
)
SESSION: Final = browser_secret_table(
    "session",
    sa.Column("address", sa.String),
    sa.Column("browser", sa.String),
    sa.Column("authenticated", TIME),  # when its user last proved to be the account's owner
    sa.Column("is_by_provider", sa.Boolean),
)
DEVICE: Final = browser_secret_table("device")
PENDING_LOGIN: Final = browser_secret_table("pending_login")
IDENTITY: Final = sa.Table(
    "identity",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("account_id", sa.BigInteger),
    sa.Column("issuer", sa.String),
    sa.Column("subject", sa.String),
    sa.Column("created", TIME),
)
PROVIDER_LOGIN: Final = sa.Table(
    "provider_login",
    METADATA,
    sa.Column("hash", DIGEST, primary_key=True),
    sa.Column("account_id", sa.BigInteger),
    sa.Column("purpose", sa.String),
    sa.Column("next_path", sa.String),
    sa.Column("created", TIME),
    sa.Column("ends", TIME),
)
SECOND_FACTOR: Final = sa.Table(
    "second_factor",
    METADATA,
    sa.Column("account_id", sa.BigInteger, primary_key=True),
    sa.Column("secret", sa.String),
    sa.Column("created", TIME),
    sa.Column("confirmed", TIME),
    sa.Column("last_step", sa.BigInteger),  # of the last code that was accepted
)
RECOVERY_CODE: Final = sa.Table(
    "recovery_code",
    METADATA,
    sa.Column("account_id", sa.BigInteger, primary_key=True),
    sa.Column("hash", DIGEST, primary_key=True),
    sa.Column("used", TIME),
)
ATTEMPT: Final = sa.Table(
    "attempt",
    METADATA,
    sa.Column("bucket", DIGEST, primary_key=True),
    sa.Column("failures", sa.Integer),
    sa.Column("last", TIME),
)
AUDIT: Final = sa.Table(
    "audit",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("at", TIME),
    sa.Column("who", sa.String),
    sa.Column("what", sa.String),
    sa.Column("about", sa.String),
    sa.Column("address", sa.String),
    sa.Column("request_id", sa.String),
)
