"""Password hashing: concurrency, parameters, acceptable passwords."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest
from argon2 import PasswordHasher, extract_parameters
from tests.ledger.unit.conftest import QUICK

from ledger.accounts import common_passwords, passwords, secret_tokens
from ledger.accounts.errors import BusyError, InputError
from ledger.accounts.passwords import PASSWORD_HASHER, Passwords, check_new_password


class Slow(PasswordHasher):
    """Hashes when it is let, and counts how many do at once."""

    go: ClassVar[threading.Event]
    at_once: ClassVar[list[int]]
    now: ClassVar[int] = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
        """Wait, then do it."""
        Slow.now += 1
        Slow.at_once.append(Slow.now)
        Slow.go.wait(5)
        Slow.now -= 1
        return super().verify(hash, password)


@pytest.fixture
def slow() -> Slow:
    Slow.go, Slow.at_once, Slow.now = threading.Event(), [], 0
    return Slow(memory_cost=8, time_cost=1, parallelism=1)


def test_many_logins_block_few_threads_and_use_memory_for_one_hash(slow: Slow) -> None:
    kept = slow.hash("right")
    guard = Passwords(slow, queue_length=3, timeout=5)
    with ThreadPoolExecutor(16) as crowd:
        asked = [crowd.submit(guard.matches, kept, "right") for _ in range(16)]
        deadline = time.monotonic() + 5
        while sum(each.done() for each in asked) < 12 and time.monotonic() < deadline:
            time.sleep(0.001)
        refused = [each for each in asked if each.done()]
        Slow.go.set()

    assert len(refused) == 12
    assert all(isinstance(each.exception(), BusyError) for each in refused)
    assert [each.result() for each in asked if each not in refused] == [True] * 4
    assert max(Slow.at_once) == 1


def test_waiting_for_a_turn_ends(slow: Slow) -> None:
    guard = Passwords(slow, timeout=0.02)
    with ThreadPoolExecutor(2) as crowd:
        first = crowd.submit(guard.matches, None, "x")
        deadline = time.monotonic() + 5
        while not Slow.at_once and time.monotonic() < deadline:
            time.sleep(0.001)
        second = crowd.submit(guard.matches, None, "x")
        with pytest.raises(BusyError):
            second.result()
        Slow.go.set()
        assert first.result() is False

    assert guard.matches(slow.hash("x"), "x")


def test_parameters_are_at_least_what_owasp_asks_for() -> None:
    parameters = extract_parameters(PASSWORD_HASHER.hash("x"))

    assert parameters.type.name == "ID"
    assert parameters.memory_cost >= 19 * 1024
    assert parameters.time_cost >= 2


def test_the_same_letters_are_the_same_password_however_they_were_typed() -> None:
    guard = Passwords(QUICK)

    assert guard.matches(guard.hashed("caf\u00e9 au lait"), "cafe\u0301 au lait")


def test_what_is_too_long_is_not_the_password_it_begins_with() -> None:
    guard = Passwords(QUICK)

    assert not guard.matches(guard.hashed("x" * passwords.MAX_LENGTH), "x" * 10_000)


@pytest.mark.parametrize("kept", [None, "", "no hash at all"])
def test_an_invalid_hash_matches_nothing(kept: str | None) -> None:
    assert not Passwords(QUICK).matches(kept, "")


def test_a_hash_of_other_parameters_is_outdated() -> None:
    assert Passwords(QUICK).is_outdated(PasswordHasher(memory_cost=16, time_cost=1, parallelism=1).hash("x"))
    assert not Passwords(QUICK).is_outdated(QUICK.hash("x"))


def test_a_password_that_we_make_may_be_one() -> None:
    made = {secret_tokens.password() for _ in range(100)}

    assert len(made) == 100
    for password in made:
        check_new_password(password, password, "admin", current="")


@pytest.mark.parametrize(
    ("password", "again", "field"),
    [
        ("a" * 11, "a" * 11, "new"),
        ("four unrelated words it has", "four unrelated words", "again"),
        ("rita has a sister", "rita has a sister", "new"),
        ("the password of before", "the password of before", "new"),
    ],
)
def test_an_unacceptable_password_is_reported_at_its_field(password: str, again: str, field: str) -> None:
    with pytest.raises(InputError) as refused:
        check_new_password(password, again, "rita", current="the password of before")

    assert refused.value.field == field


@pytest.mark.parametrize(
    "password",
    [
        "unbelievable1",
        "1qaz2wsx3edc",
        "P@ssw0rd1234",
        "Password2024!!",
        "Sommer2024!!",
        "administrator",
        "letmeinletmein",
        "passwordpassword" * 16,
        "correct horse battery staple",
        "CorrectHorseBatteryStaple1",
        "let me in please",
        "abcdefghijkl",
        "cloison ledger",
    ],
)
def test_a_common_password_is_refused_and_so_is_what_resembles_one(password: str) -> None:
    with pytest.raises(InputError, match="This password is easy to guess"):
        check_new_password(password, password, "rita", current="")


@pytest.mark.parametrize(
    "password", ["four words without sense", "vexing-otter-plinth", "Zürich außer Betrieb", "päßwörtér-猫猫犬鳥"]
)
def test_a_password_that_nobody_has_is_accepted(password: str) -> None:
    check_new_password(password, password, "rita", current="")


def test_the_check_of_a_long_password_takes_less_than_a_login_may() -> None:
    awkward = "({[4@<i1!|l0$5+7%2" * 14
    before = time.process_time()
    common_passwords.is_common(awkward, "rita")

    assert time.process_time() - before < 2
