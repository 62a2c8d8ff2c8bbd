"""Encryption of the secrets that the ledger must read again: addresses and secrets of channels, and TOTP secrets.

Input: a text and the place that it belongs to. Output: what the database stores, `fernet TOKEN`. Rules:
- The keys are in a file outside the database, one a line (`LEDGER_KEY_FILE`). The first one encrypts, each of them
  decrypts. The file is read for every use, so that every process sees a new key at once.
- A value is bound to its place: moved to another account or project by somebody who can write to the database, it
  cannot be read. Neither can one that is not encrypted.
- Without its key a value is lost. UnreadableError says so in one sentence, and the ledger goes on without that channel
  or second factor. A file of keys that exists is never overwritten by a new one.

Fernet is AES-128-CBC with HMAC-SHA256: https://github.com/fernet/spec/blob/master/Spec.md
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Connection

from ledger.accounts.errors import InputError

OPTION: Final = "ledger_keys"
"""The execution option of an engine and of its connections that has their keys."""
MARK: Final = "fernet "  # neither an address nor a secret of before has a space
REMEDY: Final = "Put that key back as a line of its own (docs/ledger.md), or enter the secret again."


class KeyFileError(InputError):
    """The file of the keys cannot be read or written; the message says why."""


class UnreadableError(InputError):
    """A stored secret cannot be decrypted; the message says what to do."""


class Keys:
    """The keys in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> bool:
        """Create the file with one key unless there is one, also when several replicas start; return whether it did."""
        if os.path.lexists(self._path):
            return False
        draft = self._write_draft([_new_key()])
        try:
            os.link(draft, self._path)  # fails where another replica was faster, and never shows half a key
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def read(self) -> list[str]:
        """Return the keys, the one that encrypts first; KeyFileError when there is none or one is not a key."""
        try:
            return parse(self._path.read_text(encoding="ascii"))
        except OSError as error:
            raise KeyFileError(f"The keys in {self._path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise KeyFileError(f"The keys in {self._path} cannot be used: {error}.") from error

    def replace(self, keys: list[str]) -> None:
        """Write these keys in the place of those that are there."""
        self._write_draft(keys).replace(self._path)

    def add_new(self) -> None:
        """Put a new key before the others."""
        self.replace([_new_key(), *self.read()])

    def encrypt(self, text: str, place: str) -> str:
        """Return a text as it is stored at a place."""
        token = Fernet(self.read()[0]).encrypt(f"{place}\n{text}".encode())
        return MARK + token.decode()

    def decrypt(self, stored: str, place: str) -> str:
        """Return the text that is stored at a place; UnreadableError without its key."""
        try:
            readers = MultiFernet([Fernet(key) for key in self.read()])
            owner, _, text = readers.decrypt(stored.removeprefix(MARK).encode()).decode().partition("\n")
        except KeyFileError as error:
            raise UnreadableError(f"{error} {REMEDY}") from error
        except InvalidToken as error:
            raise UnreadableError(f"It was encrypted with a key that the ledger does not have. {REMEDY}") from error
        if owner != place:
            raise UnreadableError(f"It was encrypted for another owner. {REMEDY}")
        return text

    def _write_draft(self, keys: list[str]) -> Path:
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write("".join(f"{key}\n" for key in keys))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise KeyFileError(f"The keys in {self._path} cannot be written: {error.strerror}.") from error
        return draft


def parse(text: str) -> list[str]:
    """Return the keys in a text, one a line; ValueError when there is none or one is not a key."""
    keys = text.split()
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError as error:
            raise ValueError(f"line {number} is not a key, 32 bytes in base64") from error
    if not keys:
        raise ValueError("there is none")
    return keys


def keys_of(connection: Connection) -> Keys:
    """Return the keys that a connection's engine was made with."""
    found: Keys = connection.get_execution_options()[OPTION]
    return found


def place_of_channel(project: int) -> str:
    """Return the place of the address and the secret of a project's channels."""
    return f"channel of {project}"


def place_of_factor(account: int) -> str:
    """Return the place of the TOTP secret of an account."""
    return f"second factor of {account}"


def _new_key() -> str:
    return Fernet.generate_key().decode()
