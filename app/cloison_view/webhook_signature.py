"""Signs messages as the Standard Webhooks specification has it.

Input: a secret, and the identifier, the time and the body of a message. Output: the value of the header
`webhook-signature`: HMAC-SHA256 of `webhook-id.webhook-timestamp.body`, in base64, after `v1,`.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # the specification's prefix of a secret


def is_signing_secret(given: str) -> bool:
    """Return whether this is a secret of the specification's form and length."""
    try:
        key = base64.b64decode(given.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return given.startswith(SECRET_PREFIX) and 24 <= len(key) <= 64  # noqa: PLR2004  # of the specification


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signed_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Return the headers of a message of JSON; `timestamp` is in seconds since 1970."""
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id, timestamp, body),
    }
