"""Login throttling: the time until a password may be tried again.

Rules:
- An attempt is counted before its password is checked, so that concurrent attempts cannot exceed the limit; a
  successful one is subtracted again.
- An unknown browser is counted by the account and its network together, and by its address for all accounts. So guesses
  from elsewhere never delay the owner. They are counted too: while an account has many, from everywhere together, each
  network has fewer failures without a pause.
- A browser that has logged in to the account before has a device token and is counted by that alone, so that an
  attacker in the owner's own network cannot lock him out either.
- A code of the second factor is counted by the account for all networks, because six digits bear few guesses, and
  because it is asked only after the right password.
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
FREE_FAILURES_UNDER_ATTACK: Final = 2  # of one network, while the account has ATTACK_FAILURES
ATTACK_FAILURES: Final = 50  # at one account from all networks together
IPV6_PREFIX: Final = 64  # bits: one site usually has a /64
IPV6_SITE_PREFIX: Final = 48  # bits: a site that was given more has at most this (RFC 6177)
MAX_FAILURES: Final = 1000  # the counter stops here
HALF: Final = 16  # bytes of a key


@dataclass(frozen=True, slots=True)
class Bucket:
    """A key that failures are counted for, and the number of failures without a pause."""

    key: bytes
    free_failures: int
    is_shared: bool = False  # by several people: a success of one says nothing about the others
    free_under_attack: int | None = None  # where it differs
    counts_attack: bool = False  # never pauses by itself; many failures are an attack


def buckets(name: str, remote_address: str | None, device: bytes | None) -> tuple[Bucket, ...]:
    """Return the buckets of an attempt; `device` is the hashed device token of a browser that this account knows."""
    if device is not None:
        return (_bucket("device", device.hex(), FREE_FAILURES),)
    site = source_network(remote_address, IPV6_SITE_PREFIX)
    here = Bucket(_account_key(name, site), FREE_FAILURES, free_under_attack=FREE_FAILURES_UNDER_ATTACK)
    everywhere = Bucket(_account_key(name), MAX_FAILURES, is_shared=True, counts_attack=True)
    address = _bucket("address", source_network(remote_address), FREE_FAILURES_OF_ADDRESS, is_shared=True)
    return tuple(sorted((here, everywhere, address), key=lambda bucket: bucket.key))


def code_buckets(name: str, device: bytes | None) -> tuple[Bucket, ...]:
    """Return the buckets of a code of the second factor; `device` as for `buckets`."""
    counted_by = ("code of device", device.hex()) if device is not None else ("code", name)
    return (_bucket(*counted_by, FREE_FAILURES),)


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


def source_network(given: str | None, ipv6_prefix: int = IPV6_PREFIX) -> str:
    """Return the network that an address is counted as: an IPv4 address itself, or the prefix of an IPv6 address."""
    plain = address(given)
    return str(ipaddress.ip_network((plain.partition("%")[0], ipv6_prefix), strict=False)) if ":" in plain else plain


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

    The counter of the account in this network is reset. Shared ones are only decremented: otherwise a user with an
    account could guess passwords of another one between successful logins.
    """
    uncount_attempt(connection, [bucket for bucket in counted if bucket.is_shared])
    anew = [bucket.key for bucket in counted if not bucket.is_shared]
    connection.execute(delete(ATTEMPT).where(ATTEMPT.c.bucket.in_(anew)))


def reset_account(connection: Connection, name: str) -> None:
    """Reset the counters of an account in all networks, for example after a new password."""
    half = _account_key(name)[:HALF]
    is_account = ATTEMPT.c.bucket.between(half + b"\0" * HALF, half + b"\xff" * HALF)
    codes = [bucket.key for bucket in code_buckets(name, None)]
    connection.execute(delete(ATTEMPT).where(is_account | ATTEMPT.c.bucket.in_(codes)))


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
    by_key = {bucket.key: bucket for bucket in counted}
    rows = select(ATTEMPT).where(ATTEMPT.c.bucket.in_(by_key)).order_by(ATTEMPT.c.bucket)
    found = connection.execute(rows.with_for_update() if lock else rows).all()
    fresh = [(by_key[row.bucket], row) for row in found if now - row.last < RESET_AFTER]
    is_attacked = any(bucket.counts_attack and row.failures >= ATTACK_FAILURES for bucket, row in fresh)
    pauses = (
        pause_after(row.failures, _free_failures(bucket, is_attacked=is_attacked), now - row.last)
        for bucket, row in fresh
        if not bucket.counts_attack
    )
    return max(pauses, default=0)


def _free_failures(bucket: Bucket, *, is_attacked: bool) -> int:
    return bucket.free_under_attack if is_attacked and bucket.free_under_attack is not None else bucket.free_failures


def _account_key(name: str, site: str = "") -> bytes:
    """Return the key of an account in a network, or in all of them; the keys of one account begin alike."""
    network = secret_tokens.digest(site)[:HALF] if site else b"\0" * HALF
    return secret_tokens.digest(f"account {name}")[:HALF] + network


def _bucket(kind: str, name: str, free_failures: int, *, is_shared: bool = False) -> Bucket:
    return Bucket(secret_tokens.digest(f"{kind} {name}"), free_failures, is_shared)
