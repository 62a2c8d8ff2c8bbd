"""Login throttling: the time until a password may be tried again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update
from tests.ledger.mariadb.accounts.conftest import CHOSEN

from ledger import clock as ledger_clock
from ledger.accounts import rate_limit
from ledger.accounts.rate_limit import (
    ATTACK_FAILURES,
    FREE_FAILURES,
    FREE_FAILURES_OF_ADDRESS,
    FREE_FAILURES_UNDER_ATTACK,
    MAX_PAUSE,
)
from ledger.accounts.tables import ATTEMPT

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import SampleLedger


def fail(world: "SampleLedger", name: str, times: int, *, address: str = "192.0.2.1") -> list[int]:
    """Try a wrong password and return the statuses."""
    browser = world.browser(address)
    return [browser.log_in(name, "wrong").status_code for _ in range(times)]


def pass_time(world: "SampleLedger", seconds: float) -> None:
    """Let every failure be older."""
    ago = ledger_clock.now() - timedelta(seconds=seconds)
    world.do(lambda c: c.execute(update(ATTEMPT).values(last=ago)))


def test_guesses_at_an_account_are_throttled_in_their_network(world: "SampleLedger") -> None:
    statuses = fail(world, "rita", FREE_FAILURES + 6)

    assert [422] * FREE_FAILURES == statuses[:FREE_FAILURES]
    assert 429 in statuses


@pytest.mark.parametrize(
    ("guessers", "failures"),
    [
        (["203.0.113.66"], FREE_FAILURES + 4),
        ([f"203.0.113.{n}" for n in range(30)], FREE_FAILURES),
        ([f"2001:db8:bad:{n:x}::1" for n in range(9)], 3),
    ],
)
def test_guesses_from_elsewhere_never_keep_the_owner_out_of_a_new_browser(
    world: "SampleLedger", guessers: list[str], failures: int
) -> None:
    for guesser in guessers:
        fail(world, "rita", failures, address=guesser)

    assert world.browser("192.0.2.77").log_in("rita", "mistyped once").status_code == 422
    assert world.browser("192.0.2.77").log_in("rita").status_code == 303


def test_one_site_of_ipv6_has_the_guesses_of_one_network(world: "SampleLedger") -> None:
    statuses = [fail(world, "rita", 1, address=f"2001:db8:bad:{n:x}::1")[0] for n in range(FREE_FAILURES + 6)]

    assert [422] * FREE_FAILURES == statuses[:FREE_FAILURES]
    assert 429 in statuses


def test_many_networks_that_guess_at_one_account_have_fewer_guesses_each(world: "SampleLedger") -> None:
    networks = ATTACK_FAILURES // FREE_FAILURES
    for n in range(networks):
        assert fail(world, "rita", FREE_FAILURES, address=f"203.0.113.{n}") == [422] * FREE_FAILURES
    statuses = fail(world, "rita", FREE_FAILURES_UNDER_ATTACK + 4, address="203.0.113.200")

    assert statuses[:FREE_FAILURES_UNDER_ATTACK] == [422] * FREE_FAILURES_UNDER_ATTACK
    assert 429 in statuses
    assert fail(world, "theo", FREE_FAILURES, address="203.0.113.201") == [422] * FREE_FAILURES


def test_a_missing_account_is_throttled_like_any_other(world: "SampleLedger") -> None:
    statuses = fail(world, "nobody", FREE_FAILURES + 6)

    assert [422] * FREE_FAILURES == statuses[:FREE_FAILURES]
    assert 429 in statuses


def test_an_address_is_throttled_over_all_accounts(world: "SampleLedger") -> None:
    browser = world.browser()
    statuses = [browser.log_in(f"name{n}", "wrong").status_code for n in range(FREE_FAILURES_OF_ADDRESS + 6)]

    assert [422] * FREE_FAILURES_OF_ADDRESS == statuses[:FREE_FAILURES_OF_ADDRESS]
    assert 429 in statuses
    assert fail(world, "rita", 1, address="192.0.2.2") == [422]


def test_a_client_cannot_forge_its_address(world: "SampleLedger") -> None:
    """The proxy's own header is the last of a list; what stands before it was a claim."""
    browser = world.browser()
    for n in range(FREE_FAILURES_OF_ADDRESS):
        browser.headers["X-Forwarded-For"] = f"198.51.100.{n}, 192.0.2.1"
        browser.headers["X-Real-Ip"] = browser.headers["Forwarded"] = f"for=198.51.100.{n}"
        browser.log_in(f"name{n}", "wrong")
    browser.headers["X-Forwarded-For"] = "203.0.113.1, 192.0.2.1"

    assert browser.log_in("rita", "wrong").status_code == 429
    assert {entry.address for entry in world.entries()} == {"192.0.2.1"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("not an address", None, True),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_a_neighbour_of_the_same_64_is_the_same(one: str, other: str | None, same: bool) -> None:
    assert (rate_limit.source_network(one) == rate_limit.source_network(other)) is same


def test_the_pause_is_reported_and_ends(world: "SampleLedger") -> None:
    fail(world, "rita", FREE_FAILURES)
    answer = world.browser().log_in("rita")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert "The next one is possible in 1 second." in answer.text
    pass_time(world, 2)

    assert world.browser().log_in("rita").status_code == 303


@pytest.mark.parametrize(
    ("failures", "pause"),
    [
        (0, 0),
        (FREE_FAILURES - 1, 0),
        (FREE_FAILURES, 1),
        (FREE_FAILURES + 1, 2),
        (FREE_FAILURES + 4, 16),
        (FREE_FAILURES + 9, MAX_PAUSE),
        (1000, MAX_PAUSE),
    ],
)
def test_the_pause_grows_up_to_a_maximum(failures: int, pause: float) -> None:
    assert rate_limit.pause_after(failures, FREE_FAILURES, timedelta()) == pause


def test_a_clock_that_was_set_back_does_not_extend_the_pause() -> None:
    assert rate_limit.pause_after(FREE_FAILURES, FREE_FAILURES, timedelta(hours=-1)) == 1


def test_an_attempt_during_the_pause_does_not_extend_it(world: "SampleLedger") -> None:
    fail(world, "rita", FREE_FAILURES)
    before = world.do(lambda c: c.execute(select(ATTEMPT).order_by(ATTEMPT.c.bucket)).all())
    fail(world, "rita", 5)

    assert world.do(lambda c: c.execute(select(ATTEMPT).order_by(ATTEMPT.c.bucket)).all()) == before


def test_an_attacker_cannot_lock_the_owner_out_of_a_known_browser(world: "SampleLedger") -> None:
    browser = world.browser_of("rita")
    browser.send("/logout", page="/account")
    fail(world, "rita", FREE_FAILURES + 2)
    assert world.browser().log_in("rita").status_code == 429

    assert browser.log_in("rita").status_code == 303


def test_a_known_browser_is_throttled_too(world: "SampleLedger") -> None:
    browser = world.browser_of("rita")
    browser.send("/logout", page="/account")
    statuses = [browser.log_in("rita", "wrong").status_code for _ in range(FREE_FAILURES + 6)]

    assert [422] * FREE_FAILURES == statuses[:FREE_FAILURES]
    assert 429 in statuses  # the first wait is one second, which a busy machine may take for one attempt


def test_a_device_token_is_valid_for_its_own_account_only(world: "SampleLedger") -> None:
    browser = world.browser_of("theo")
    browser.send("/logout", page="/account")
    fail(world, "rita", FREE_FAILURES + 4)

    assert browser.log_in("rita", "wrong").status_code == 429


def test_successful_logins_do_not_reset_the_address(world: "SampleLedger") -> None:
    for n in range(FREE_FAILURES_OF_ADDRESS):
        fail(world, f"name{n}", 1)
    assert world.browser().log_in("theo").status_code == 429
    pass_time(world, 1.5)
    assert world.browser().log_in("theo").status_code == 303

    assert fail(world, "rita", 1) == [429]


def test_a_successful_login_resets_the_account(world: "SampleLedger") -> None:
    fail(world, "rita", FREE_FAILURES - 1)
    world.browser_of("rita")

    assert fail(world, "rita", FREE_FAILURES) == [422] * FREE_FAILURES


def test_old_failures_are_not_counted(world: "SampleLedger") -> None:
    fail(world, "rita", FREE_FAILURES)
    pass_time(world, rate_limit.RESET_AFTER.total_seconds() + 1)
    assert fail(world, "rita", 1) == [422]
    world.browser_of("theo")

    # The address, rita in this network, and rita and theo in all networks; nothing of before.
    assert world.do(lambda c: c.scalar(select(func.count()).select_from(ATTEMPT))) == 4


def test_concurrent_attempts_do_not_exceed_the_limit(world: "SampleLedger") -> None:
    counted = rate_limit.buckets("rita", "192.0.2.1", None)
    now = ledger_clock.now()
    with ThreadPoolExecutor(8) as crowd:
        pauses = list(crowd.map(lambda _: world.do(lambda c: rate_limit.count_attempt(c, counted, now)), range(24)))

    assert sum(pause == 0 for pause in pauses) == FREE_FAILURES


def test_the_own_password_cannot_be_guessed_with_a_session(world: "SampleLedger") -> None:
    browser = world.browser_of("rita")
    fields = {"password": "wrong", "new": CHOSEN, "again": CHOSEN}
    statuses = [browser.send("/account", **fields).status_code for _ in range(FREE_FAILURES + 1)]

    assert statuses == [422] * FREE_FAILURES + [429]
    assert ("rita", "login refused", "rita") in world.log()


def test_a_new_password_resets_the_account(world: "SampleLedger") -> None:
    fail(world, "rita", FREE_FAILURES)
    page = world.browser_of("ada").send("/admin/users/rita/password", page="/admin/users/rita").text
    password = page.partition('class="secret"')[2].partition(">")[2].partition("<")[0]

    assert world.browser("192.0.2.50").log_in("rita", password).status_code == 303
