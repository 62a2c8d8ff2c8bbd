"""The second factor of an account: time-based one-time passwords (TOTP, RFC 6238), and recovery codes.

Rules:
- A code is accepted once: the step of the last accepted one is stored, and only a later step counts (RFC 6238, 5.2).
- A code counts in its own step of 30 seconds and in the one before and after it, because clocks differ.
- The secret is needed to compute codes, so it is stored encrypted (`ledger.encryption`). A recovery code has 80 random
  bits, and only its SHA-256 is stored (`ledger.accounts.secret_tokens`). Each is accepted once, also where the key
  of the secret is lost.
- A secret counts only after a first code has shown that the owner's device has it.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pyotp
from sqlalchemy import Connection, delete, func, insert, select, update

from ledger.accounts import secret_tokens
from ledger.accounts.errors import InputError
from ledger.accounts.tables import RECOVERY_CODE, SECOND_FACTOR
from ledger.encryption.keys import UnreadableError, keys_of, place_of_factor

STEP: Final = 30  # seconds
TOLERATED_STEPS: Final = (-1, 0, 1)
RECOVERY_CODES: Final = 10
RECOVERY_GROUPS: Final = 4  # of four characters, five bits each
TOTP_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)
SEPARATORS: Final = re.compile(r"[\s-]+")
KEY_IS_LOST: Final = (
    "The ledger cannot check codes of this device: the key of its secret is lost. Enter a recovery code, or ask the"
    " operator to reset the second factor."
)
WRONG_CODE: Final = "This code is not right, or it was used already. Wait for the next one."


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The second factor of an account; `confirmed` is None until its owner has entered a first code."""

    confirmed: datetime | None
    recovery_codes_left: int


def of_account(connection: Connection, account: int) -> SecondFactor | None:
    """Return the second factor of an account, or None."""
    row = connection.execute(select(SECOND_FACTOR).where(SECOND_FACTOR.c.account_id == account)).one_or_none()
    if row is None:
        return None
    unused = (RECOVERY_CODE.c.account_id == account) & RECOVERY_CODE.c.used.is_(None)
    left = connection.scalar(select(func.count()).select_from(RECOVERY_CODE).where(unused))
    return SecondFactor(row.confirmed, left or 0)


def secret_of(connection: Connection, account: int) -> str:
    """Return the TOTP secret of an account that has one; UnreadableError when its key is lost."""
    stored = connection.scalar(select(SECOND_FACTOR.c.secret).where(SECOND_FACTOR.c.account_id == account))
    return keys_of(connection).decrypt(str(stored), place_of_factor(account))


def is_on(connection: Connection, account: int) -> bool:
    """Return whether a login to an account needs a code."""
    found = of_account(connection, account)
    return found is not None and found.confirmed is not None


def begin(connection: Connection, account: int, now: datetime) -> None:
    """Store a new secret, which a first code must confirm; InputError when there is a confirmed one."""
    if is_on(connection, account):
        raise InputError("The second factor is set up already: remove it first.")
    remove(connection, account)
    secret = keys_of(connection).encrypt(pyotp.random_base32(), place_of_factor(account))
    values = {"account_id": account, "secret": secret, "created": now}
    connection.execute(insert(SECOND_FACTOR).values(values))


def confirm(connection: Connection, account: int, code: str, now: datetime) -> list[str]:
    """Switch the second factor on after a first code, and return its recovery codes; InputError for a wrong code."""
    if is_on(connection, account):
        raise InputError("The second factor is set up already: remove it first.", "code")
    if not _is_new_totp_code(connection, account, normalize(code), now):
        raise InputError(WRONG_CODE, "code")
    mine = SECOND_FACTOR.c.account_id == account
    connection.execute(update(SECOND_FACTOR).where(mine).values(confirmed=now))
    return replace_recovery_codes(connection, account)


def accept(connection: Connection, account: int, code: str, now: datetime) -> bool:
    """Return whether a code of the device or a recovery code is right, and use it up."""
    given = normalize(code)
    if not is_on(connection, account):
        return False
    if TOTP_CODE.fullmatch(given):
        return _is_new_totp_code(connection, account, given, now)
    unused = (RECOVERY_CODE.c.account_id == account) & RECOVERY_CODE.c.used.is_(None)
    this = RECOVERY_CODE.c.hash == secret_tokens.digest(given)
    return bool(connection.execute(update(RECOVERY_CODE).where(unused, this).values(used=now)).rowcount)


def is_recovery_code(code: str) -> bool:
    """Return whether this has the form of a recovery code, not that of a code of a device."""
    return not TOTP_CODE.fullmatch(normalize(code))


def replace_recovery_codes(connection: Connection, account: int) -> list[str]:
    """Create new recovery codes and return them; those of before are no longer accepted."""
    connection.execute(delete(RECOVERY_CODE).where(RECOVERY_CODE.c.account_id == account))
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    rows = [{"account_id": account, "hash": secret_tokens.digest(normalize(code))} for code in codes]
    connection.execute(insert(RECOVERY_CODE), rows)
    return codes


def remove(connection: Connection, account: int) -> bool:
    """Remove the second factor of an account; return whether it was on."""
    was_on = is_on(connection, account)
    for table in (RECOVERY_CODE, SECOND_FACTOR):
        connection.execute(delete(table).where(table.c.account_id == account))
    return was_on


def provisioning_uri(secret: str, name: str, host: str) -> str:
    """Return the address that the QR code has: https://github.com/google/google-authenticator/wiki/Key-Uri-Format."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"Cloison ledger {host.partition(':')[0]}")


def normalize(code: str) -> str:
    """Return a code without the spaces and dashes that people type, in lower case."""
    return SEPARATORS.sub("", code).lower()


def _is_new_totp_code(connection: Connection, account: int, given: str, now: datetime) -> bool:
    if not TOTP_CODE.fullmatch(given) or of_account(connection, account) is None:
        return False
    try:
        secret = secret_of(connection, account)
    except UnreadableError as error:
        raise InputError(KEY_IS_LOST, "code") from error
    current = int(now.replace(tzinfo=UTC).timestamp()) // STEP
    device = pyotp.TOTP(secret, interval=STEP)
    steps = [current + more for more in TOLERATED_STEPS]
    matching = [step for step in steps if hmac.compare_digest(device.generate_otp(step), given)]
    if not matching:
        return False
    # In one statement, so that of two requests with the same code one is refused.
    is_later = (SECOND_FACTOR.c.account_id == account) & (SECOND_FACTOR.c.last_step < matching[-1])
    return bool(connection.execute(update(SECOND_FACTOR).where(is_later).values(last_step=matching[-1])).rowcount)


def _recovery_code() -> str:
    groups = (
        "".join(secrets.choice(secret_tokens.PASSWORD_ALPHABET) for _ in range(4)) for _ in range(RECOVERY_GROUPS)
    )
    return "-".join(groups)
