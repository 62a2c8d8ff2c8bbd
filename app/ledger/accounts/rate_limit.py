"""Login throttling: the time until a password may be tried again.

Rules:
- An attempt is counted before its password is checked, so that concurrent attempts cannot exceed the limit; a
  successful one is subtracted again.
- An unknown browser is counted by the account and by its address. A browser that has logged in to the account before
  has a device token and is counted by that alone, so that an attacker cannot lock the owner out.
- The pause doubles with every failure up to MAX_PAUSE. An attempt during the pause does not extend it.
- An account that does not exist is counted like any other.
"""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.mysql import insert

from ledger.accounts import secret_tokens
from ledger.accounts.tables import ATTEMPT

FREE_FAILURES: Final = 5  # failures without a pause: users mistype
FREE_FAILURES_OF_ADDRESS: Final = 20  # several users may share one
MAX_PAUSE: Final = 300  # seconds between two attempts
RESET_AFTER: Final = timedelta(hours=6)  # after the last failure
IPV6_PREFIX: Final = 64  # bits: one site usually has a /64
MAX_FAILURES: Final = 1000  # the counter stops here


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """A key that failures are counted for, and the number of failures without a pause."""

    key: bytes
    free_failures: int
    is_shared: bool = False  # by several accounts: a success of one says nothing about the others


def buckets(name: str, remote_address: str | None, device: bytes | None) -> tuple[Bucket, ...]:
    """Return the buckets of an attempt; `device` is the hashed device token of a browser that this account knows."""
    if device is not None:
        return (_bucket("device", device.hex(), FREE_FAILURES),)
    return tuple(
        sorted(
            (
                _bucket("account", name, FREE_FAILURES),
                _bucket("address", source_network(remote_address), FREE_FAILURES_OF_ADDRESS, is_shared=True),
            )
        )
    )


def own_buckets(name: str) -> tuple[Bucket, ...]:
    """Return the buckets of a user with a session who enters the password again."""
    return (_bucket("own", name, FREE_FAILURES),)


def address(given: str | None) -> str:
    """Return an address in canonical form, or `unknown` when it is not valid."""
    try:
        parsed = ipaddress.ip_address(given or "")
    except ValueError:
        return "unknown"
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def source_network(given: str | None) -> str:
    """Return the network that an address is counted as: an IPv4 address itself, or the /64 of an IPv6 address."""
    plain = address(given)
    return str(ipaddress.ip_network((plain.partition("%")[0], IPV6_PREFIX), strict=False)) if ":" in plain else plain


def pause_after(failures: int, free_failures: int, since: timedelta) -> float:
    """Return the seconds until the next attempt: 1 after the free failures, twice as many after each more."""
    over = failures - free_failures
    if over < 0:
        return 0
    pause = min(2.0 ** min(over, 30), MAX_PAUSE)
    return max(0.0, min(pause, pause - since.total_seconds()))


def count_attempt(connection: Connection, counted: Sequence[Bucket], now: datetime) -> float:
    """Count an attempt and return 0, or return the seconds to wait."""
    pause = _pause(connection, counted, now, lock=False)  # an attempt during the pause writes nothing
    if pause:
        return pause
    delete_expired(connection, now, [bucket.key for bucket in counted])
    for bucket in counted:
        connection.execute(insert(ATTEMPT).values(bucket=bucket.key, failures=0, last=now).prefix_with("IGNORE"))
    pause = _pause(connection, counted, now, lock=True)
    if pause:
        return pause
    for bucket in counted:
        connection.execute(
            update(ATTEMPT)
            .where(ATTEMPT.c.bucket == bucket.key, ATTEMPT.c.failures < MAX_FAILURES)
            .values(failures=ATTEMPT.c.failures + 1, last=now)
        )
    return 0


def reset_after_success(connection: Connection, counted: Sequence[Bucket]) -> None:
    """Uncount a successful attempt.

    The counter of the account is reset. That of the address is only decremented: otherwise a user with an account could
    guess passwords of another one between successful logins.
    """
    uncount_attempt(connection, [bucket for bucket in counted if bucket.is_shared])
    anew = [bucket.key for bucket in counted if not bucket.is_shared]
    connection.execute(delete(ATTEMPT).where(ATTEMPT.c.bucket.in_(anew)))


def reset_account(connection: Connection, name: str) -> None:
    """Reset the counter of an account, for example after a new password."""
    connection.execute(delete(ATTEMPT).where(ATTEMPT.c.bucket == _bucket("account", name, FREE_FAILURES).key))


def uncount_attempt(connection: Connection, counted: Sequence[Bucket]) -> None:
    """Uncount an attempt whose password was not checked."""
    keys = [bucket.key for bucket in counted]
    connection.execute(
        update(ATTEMPT)
        .where(ATTEMPT.c.bucket.in_(keys), ATTEMPT.c.failures > 0)
        .values(failures=ATTEMPT.c.failures - 1)
    )


def delete_expired(connection: Connection, now: datetime, keys: Collection[bytes] | None = None) -> None:
    """Delete counters that are older than RESET_AFTER, of some buckets or of all."""
    over = delete(ATTEMPT).where(ATTEMPT.c.last < now - RESET_AFTER)
    connection.execute(over if keys is None else over.where(ATTEMPT.c.bucket.in_(keys)))


def _pause(connection: Connection, counted: Sequence[Bucket], now: datetime, *, lock: bool) -> float:
    free_failures = {bucket.key: bucket.free_failures for bucket in counted}
    rows = select(ATTEMPT).where(ATTEMPT.c.bucket.in_(free_failures)).order_by(ATTEMPT.c.bucket)
    found = connection.execute(rows.with_for_update() if lock else rows).all()
    fresh = [row for row in found if now - row.last < RESET_AFTER]
    return max((pause_after(row.failures, free_failures[row.bucket], now - row.last) for row in fresh), default=0)


def _bucket(kind: str, name: str, free_failures: int, *, is_shared: bool = False) -> Bucket:
    return Bucket(secret_tokens.digest(f"{kind} {name}"), free_failures, is_shared)
