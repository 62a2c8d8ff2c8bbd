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

from ledger.accounts.errors import Busy, Refused

HASHER: Final = PasswordHasher(memory_cost=32 * 1024, time_cost=3, parallelism=1)
WAITING: Final = 4  # of a process's threads
PATIENCE: Final = 2.0  # seconds
SHORTEST: Final = 12
LONGEST: Final = 256


class Passwords:
    """Makes and checks hashes, one at a time."""

    def __init__(self, hasher: PasswordHasher = HASHER, *, waiting: int = WAITING, patience: float = PATIENCE) -> None:
        self._hasher = hasher
        self._room = BoundedSemaphore(1 + waiting)
        self._turn = BoundedSemaphore(1)
        self._patience = patience
        self._nobodys = hasher.hash(secrets.token_urlsafe())

    def hashed(self, password: str) -> str:
        """Return what is kept of a password."""
        with self._my_turn():
            return self._hasher.hash(_plain(password))

    def matches(self, kept: str | None, password: str) -> bool:
        """Tell whether this is the password; None for an account that does not exist, which takes as long."""
        with self._my_turn():
            try:
                self._hasher.verify(kept or self._nobodys, _plain(password))
            except (VerificationError, InvalidHashError):
                return False
        return kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Tell whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._room.acquire(blocking=False):
            raise Busy
        try:
            if not self._turn.acquire(timeout=self._patience):
                raise Busy
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._room.release()


def acceptable(password: str, again: str, name: str) -> None:
    """Refuse what may not be a password; length is what counts (NIST SP 800-63B)."""
    if password != again:
        raise Refused("These two are not the same.", "again")
    if len(password) < SHORTEST:
        raise Refused(
            f"A password has at least {SHORTEST} characters; four words that do not belong together do.", "new"
        )
    if len(password) > LONGEST:
        raise Refused(f"A password has at most {LONGEST} characters.", "new")
    if name in password.lower() or len(set(password)) < SHORTEST // 2:
        raise Refused(
            "This password is too easy: it has the account's name in it, or too few different characters.", "new"
        )


def _plain(password: str) -> str:
    # The same letter can be typed as one character or as two. What is too long to be a password is not hashed whole.
    return unicodedata.normalize("NFC", password[: LONGEST + 1])
