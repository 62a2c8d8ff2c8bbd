"""Secrets of sessions and tokens: 256 random bits for the client, their SHA-256 for the database.

A slow hash is necessary only for passwords that people choose. 2**256 values cannot be tried, so a fast hash is safe.
"""

import hashlib
import secrets
from typing import Final

PASSWORD_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105 - 32 characters that do not look alike


def new() -> str:
    """Return a secret of 256 bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """Return the SHA-256 of a secret, which the database stores."""
    return hashlib.sha256(secret.encode()).digest()


def password() -> str:
    """Return a random password of 100 bits that is easy to read and to type."""
    return "-".join("".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(5)) for _ in range(4))
