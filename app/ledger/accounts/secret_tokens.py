"""Secrets that the ledger hands out: 256 random bits to their owner, their SHA-256 to the database.

A slow hash is for what people think up. Nobody can try 2**256 values, so the fast one gives nothing away.
"""

import hashlib
import secrets
from typing import Final

PASSWORD_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105 - 32 letters that cannot be mistaken


def new() -> str:
    """Return a secret of 256 bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """Return what the database knows a secret by."""
    return hashlib.sha256(secret.encode()).digest()


def password() -> str:
    """Return a password of 100 bits that can be read out and typed."""
    return "-".join("".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(5)) for _ in range(4))
