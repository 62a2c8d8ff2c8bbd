"""The operator's verbs for notifications, and the process that sends them."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.ledger.mariadb.notifications.conftest import Shop
from tests.ledger.mariadb.notifications.receivers import Receiver

from cloison_view import webhook_signature
from ledger.__main__ import main
from ledger.settings import Settings

Said = tuple[int, str, str]
ROOT = Path(__file__).parents[4]


@pytest.fixture
def environment(database_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the variables of the container, and a notifier that may reach this machine."""
    given = {
        "LEDGER_DB_HOST": database_settings.db_host,
        "LEDGER_DB_PASSWORD_FILE": str(database_settings.db_password_file),
        "LEDGER_KEY_FILE": str(database_settings.key_file),
        "LEDGER_NOTIFY_NETWORKS": "127.0.0.0/8",
        "LEDGER_NOTIFY_TIMEOUT": "2",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def run(
    environment: None, shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    """Run a verb, with lines on stdin, and return its exit code, what it printed, and what it said."""

    def ran(*argv: str, stdin: str = "") -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = main(list(argv))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return ran


def test_a_channel_is_added_tried_changed_and_removed(run: Callable[..., Said], shop: Shop, hook: Receiver) -> None:
    code, secret, said = run("add-channel", "shop", "ops", stdin=f"{hook.url()}\n")
    assert (code, said) == (0, "ledger: added the channel ops; the secret of its signatures is shown once\n")
    assert webhook_signature.is_signing_secret(secret.strip())
    assert (0, f"ops\tjson\thttp://127.0.0.1:{hook.port}/…\n", "") == run("channels", "shop")

    assert 0 == run("try-channel", "shop", "ops")[0]
    code, printed, said = run("notify", "--once")
    assert (0, "", "ledger: attempts: 1") == (code, printed, said.splitlines()[-1])
    assert 0 == run("change-channel", "shop", "ops", stdin=f"{hook.url('/new')}\n")[0]
    run("try-channel", "shop", "ops")
    run("notify", "--once")
    assert ["/hook/secret-path", "/new"] == [one.path for one in hook.received]

    assert 0 == run("remove-channel", "shop", "ops")[0]
    assert (0, "", "") == run("channels", "shop")


@pytest.mark.parametrize(
    ("argv", "stdin", "sentence"),
    [
        (("add-channel", "nowhere", "ops"), "https://example.org/\n", "There is no project nowhere."),
        (("add-channel", "shop", "ops"), "example.org\n", "begins with https://"),
        (("add-channel", "shop", "ops", "--format", "gotify"), "https://example.org/\n", "token of an application"),
        (("add-channel", "shop", "ops", "--format", "email"), "nobody\n", "one mailbox"),
        (("try-channel", "shop", "ops"), "", "There is no channel ops."),
        (("remove-channel", "shop", "ops"), "", "There is no channel ops."),
        (("overdue", "shop", "9999999"), "", "The hours are a number"),
    ],
)
def test_what_is_refused_is_one_sentence(
    run: Callable[..., Said], argv: tuple[str, ...], stdin: str, sentence: str
) -> None:
    code, printed, said = run(*argv, stdin=stdin)

    assert (1, "") == (code, printed)
    assert sentence in said
    assert 1 == said.count("\n")


def test_the_feed_and_the_hours_are_set_from_the_command_line(run: Callable[..., Said], shop: Shop) -> None:
    first = run("feed", "shop")[1]
    assert re.fullmatch(r"/feed/[0-9a-f]{32}\.atom\n", first)
    assert first == run("feed", "shop")[1]
    assert first != run("feed", "shop", "--new-key")[1]
    assert (0, "", "ledger: shop, overdue after 12 hours\n") == run("overdue", "shop", "12")


@pytest.mark.usefixtures("environment")
def test_the_notifier_runs_until_it_is_told_to_stop(shop: Shop, hook: Receiver) -> None:
    shop.add_channel(hook.url())
    shop.send_test()
    running = subprocess.Popen(
        (sys.executable, "-m", "ledger", "notify"),
        cwd=ROOT / "app",
        env={**os.environ, "PYTHONPATH": str(ROOT / "app")},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not hook.received and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=20)
    finally:
        running.kill()
        running.wait()

    assert 1 == len(hook.received)
    assert 0 == running.returncode
    assert '"message": "sent"' in said
    assert "secret-path" not in said
