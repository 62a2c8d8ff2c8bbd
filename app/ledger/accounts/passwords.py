"""Hashing passwords so that a thief of the table learns little, and a flood of logins does little harm.

Rules:
- argon2id with 32 MiB and three passes: above OWASP's least (19 MiB and two), and what a container of 256 MB bears.
- One hash at a time in a process. A few may wait for their turn, so that most threads stay free for other pages;
  whoever comes then is told to come again.
- An account that does not exist costs a hash like any other.
"""

import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ledger.accounts.errors import BusyError, InputError

PASSWORD_HASHER: Final = PasswordHasher(memory_cost=32 * 1024, time_cost=3, parallelism=1)
QUEUE_LENGTH: Final = 4  # of a process's threads
TIMEOUT: Final = 2.0  # seconds
MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 256


class Passwords:
    """Makes and checks hashes, one at a time."""

    def __init__(
        self, hasher: PasswordHasher = PASSWORD_HASHER, *, queue_length: int = QUEUE_LENGTH, timeout: float = TIMEOUT
    ) -> None:
        self._hasher = hasher
        self._queue = BoundedSemaphore(1 + queue_length)
        self._hash_lock = BoundedSemaphore(1)
        self._timeout = timeout
        self._dummy_hash = hasher.hash(secrets.token_urlsafe())

    def hashed(self, password: str) -> str:
        """Return what is kept of a password."""
        with self._hash_slot():
            return self._hasher.hash(_normalize(password))

    def matches(self, stored_hash: str | None, password: str) -> bool:
        """Tell whether this is the password; None for an account that does not exist, which takes as long."""
        with self._hash_slot():
            try:
                self._hasher.verify(stored_hash or self._dummy_hash, _normalize(password))
            except (VerificationError, InvalidHashError):
                return False
        return stored_hash is not None

    def is_outdated(self, stored_hash: str) -> bool:
        """Tell whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored_hash)

    @contextmanager
    def _hash_slot(self) -> Iterator[None]:
        if not self._queue.acquire(blocking=False):
            raise BusyError
        try:
            if not self._hash_lock.acquire(timeout=self._timeout):
                raise BusyError
            try:
                yield
            finally:
                self._hash_lock.release()
        finally:
            self._queue.release()


def check_new_password(password: str, again: str, name: str) -> None:
    """Refuse what may not be a password; length is what counts (NIST SP 800-63B)."""
    if password != again:
        raise InputError("These two are not the same.", "again")
    if len(password) < MIN_LENGTH:
        raise InputError(
            f"A password has at least {MIN_LENGTH} characters; four words that do not belong together do.", "new"
        )
    if len(password) > MAX_LENGTH:
        raise InputError(f"A password has at most {MAX_LENGTH} characters.", "new")
    if name in password.lower() or len(set(password)) < MIN_LENGTH // 2:
        raise InputError(
            "This password is too easy: it has the account's name in it, or too few different characters.", "new"
        )


def _normalize(password: str) -> str:
    # The same letter can be typed as one character or as two. What is too long to be a password is not hashed whole.
    return unicodedata.normalize("NFC", password[: MAX_LENGTH + 1])
