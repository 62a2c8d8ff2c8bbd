"""How soon a password may be tried again.

Rules:
- An attempt counts before its password is looked at, so that many at once cannot slip through together; a right one
  is taken back.
- Strangers are counted by the account they try and by the address they come from. A browser that has once logged in
  to an account carries a mark of it and is counted by that alone: so nobody can keep the owner out of his account.
- Waiting grows with every failure and has an end. An attempt that is refused for it makes it no longer.
- An account that does not exist is counted like one that does.
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

FREE_FAILURES: Final = 5  # failures: people mistype
FREE_FAILURES_OF_ADDRESS: Final = 20  # several people may share one
MAX_PAUSE: Final = 300  # seconds between two attempts
RESET_AFTER: Final = timedelta(hours=6)  # after the last failure
IPV6_PREFIX: Final = 64  # bits of an IPv6 address that one household or machine has for itself
MAX_FAILURES: Final = 1000  # failures; more make no difference


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """Something that failures are counted for, and how many cost nothing."""

    key: bytes
    free_failures: int
    is_shared: bool = False  # by accounts, of which one that succeeds says nothing about the others


def buckets(name: str, remote_address: str | None, device: bytes | None) -> tuple[Bucket, ...]:
    """Return what an attempt is counted for; `device` is the mark of a browser that this account knows."""
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
    """Return what somebody is counted for who has a session and is asked for the password once more."""
    return (_bucket("own", name, FREE_FAILURES),)


def address(given: str | None) -> str:
    """Return an address in the one form it is told in; `unknown` for what is none."""
    try:
        parsed = ipaddress.ip_address(given or "")
    except ValueError:
        return "unknown"
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def source_network(given: str | None) -> str:
    """Return whom an address stands for: itself, or all of its /64."""
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
    pause = _pause(connection, counted, now, lock=False)  # who has to wait writes nothing
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
    """Take a right attempt back.

    The account begins anew. The address does not: who has an account could else guess at another's between his logins.
    """
    uncount_attempt(connection, [bucket for bucket in counted if bucket.is_shared])
    anew = [bucket.key for bucket in counted if not bucket.is_shared]
    connection.execute(delete(ATTEMPT).where(ATTEMPT.c.bucket.in_(anew)))


def reset_account(connection: Connection, name: str) -> None:
    """Let an account be tried anew from everywhere, as when it got another password."""
    connection.execute(delete(ATTEMPT).where(ATTEMPT.c.bucket == _bucket("account", name, FREE_FAILURES).key))


def uncount_attempt(connection: Connection, counted: Sequence[Bucket]) -> None:
    """Undo the counting of an attempt that was never made."""
    keys = [bucket.key for bucket in counted]
    connection.execute(
        update(ATTEMPT)
        .where(ATTEMPT.c.bucket.in_(keys), ATTEMPT.c.failures > 0)
        .values(failures=ATTEMPT.c.failures - 1)
    )


def delete_expired(connection: Connection, now: datetime, keys: Collection[bytes] | None = None) -> None:
    """Drop what is over, of some buckets or of all."""
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
