"""Password hashing: argon2id, with a bound on memory and on waiting threads.

Rules:
- argon2id with 32 MiB and three passes: above OWASP's minimum (19 MiB and two), and bearable in a container of 256 MB.
- A process computes one hash at a time. A few requests may wait, so that most threads stay free for other pages; any
  further one gets BusyError.
- An account that does not exist costs a hash like any other, so that its absence cannot be measured.

https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ledger.accounts import common_passwords
from ledger.accounts.errors import BusyError, InputError

PASSWORD_HASHER: Final = PasswordHasher(memory_cost=32 * 1024, time_cost=3, parallelism=1)
QUEUE_LENGTH: Final = 4  # requests that may wait in a process
TIMEOUT: Final = 2.0  # seconds
MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 256


class Passwords:
    """Computes and checks hashes, one at a time."""

    def __init__(
        self, hasher: PasswordHasher = PASSWORD_HASHER, *, queue_length: int = QUEUE_LENGTH, timeout: float = TIMEOUT
    ) -> None:
        self._hasher = hasher
        self._queue = BoundedSemaphore(1 + queue_length)
        self._hash_lock = BoundedSemaphore(1)
        self._timeout = timeout
        self._dummy_hash = hasher.hash(secrets.token_urlsafe())

    def hashed(self, password: str) -> str:
        """Return the hash of a password."""
        with self._hash_slot():
            return self._hasher.hash(_normalize(password))

    def matches(self, stored_hash: str | None, password: str) -> bool:
        """Return whether the hash is of this password; None (no such account) is always wrong and takes as long."""
        with self._hash_slot():
            try:
                self._hasher.verify(stored_hash or self._dummy_hash, _normalize(password))
            except (VerificationError, InvalidHashError):
                return False
        return stored_hash is not None

    def is_outdated(self, stored_hash: str) -> bool:
        """Return whether the hash has other parameters than the current ones."""
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


def check_new_password(password: str, again: str, name: str, *, current: str) -> None:
    """Raise InputError unless this is an acceptable new password; mainly its length counts (NIST SP 800-63B)."""
    if password != again:
        raise InputError("The two passwords are not the same.", "again")
    if password == current:
        raise InputError("This is the current password. Choose another one.", "new")
    if len(password) < MIN_LENGTH:
        raise InputError(
            f"A password has at least {MIN_LENGTH} characters; use four unrelated words, for example.", "new"
        )
    if len(password) > MAX_LENGTH:
        raise InputError(f"A password has at most {MAX_LENGTH} characters.", "new")
    if name in password.lower() or len(set(password)) < MIN_LENGTH // 2:
        raise InputError(
            "This password is too easy: it contains the account's name or too few different characters.", "new"
        )
    if common_passwords.is_common(password, name):
        raise InputError(common_passwords.SENTENCE, "new")


def _normalize(password: str) -> str:
    # A letter with an accent can be one character or two (Unicode NFC, NFD). Input that is too long is cut first.
    return unicodedata.normalize("NFC", password[: MAX_LENGTH + 1])
