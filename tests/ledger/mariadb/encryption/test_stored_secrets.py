"""Neither the database nor a backup has a secret in clear, and a lost key costs a channel and no more."""

from __future__ import annotations

import gzip
import io
from datetime import UTC
from typing import TYPE_CHECKING

import pyotp
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text
from tests.ledger.mariadb.conftest import ROOT
from tests.ledger.mariadb.encryption.conftest import ADDRESS, SECRET

from ledger import clock as ledger_clock
from ledger.accounts import projects, second_factor
from ledger.accounts.errors import InputError
from ledger.archive import backup
from ledger.database import transaction
from ledger.encryption import stored
from ledger.notifications import channels, deliveries, record
from ledger.notifications.notifier import Notifier
from ledger.notifications.settings import NotifierSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ledger.mariadb.encryption.conftest import Said, Vault

LOST = "3 stored secrets cannot be read: the key that encrypted them is not in"


def everything(vault: Vault) -> str:
    """Return all rows of all tables as one text."""
    with vault.engine.connect() as connection:
        tables = inspect(vault.engine).get_table_names()
        return repr([connection.execute(text(f"SELECT * FROM `{table}`")).all() for table in tables])  # noqa: S608


def migrated(vault: Vault, way: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "app" / "ledger" / "migrations"))
    with vault.engine.connect() as connection:
        config.attributes["connection"] = connection
        getattr(command, way)(config, revision)


def code_of(vault: Vault, secret: str) -> str:
    return pyotp.TOTP(secret).at(int(ledger_clock.now().replace(tzinfo=UTC).timestamp()))


def test_neither_the_database_nor_a_backup_has_a_secret(vault: Vault) -> None:
    stream = io.BytesIO()
    backup.write(vault.engine, stream)
    (key,) = vault.keys.read()

    for secret in (ADDRESS, "secret-path", SECRET, vault.totp, key):
        assert secret not in everything(vault)
        assert secret not in unpacked(stream.getvalue())
    assert (["https://hooks.example/…"], vault.totp) == (vault.shown(), vault.secret())


def unpacked(archive: bytes) -> str:
    return gzip.decompress(archive).decode(errors="replace")


def test_secrets_of_an_older_version_are_encrypted_once(vault: Vault) -> None:
    migrated(vault, "downgrade", "0012")
    assert sorted([ADDRESS, SECRET, vault.totp]) == sorted(vault.stored())

    migrated(vault, "upgrade", "head")
    first = vault.stored()
    with vault.engine.begin() as connection:  # as if the migration had been cut off before its revision was written
        connection.execute(text("UPDATE alembic_version SET version_num = '0012'"))
    migrated(vault, "upgrade", "head")

    assert first == vault.stored()
    assert (["https://hooks.example/…"], vault.totp) == (vault.shown(), vault.secret())


def test_a_downgrade_deletes_what_it_cannot_decrypt(vault: Vault) -> None:
    vault.lose_key()
    migrated(vault, "downgrade", "0012")
    assert [] == vault.stored()
    migrated(vault, "upgrade", "head")


def test_without_its_key_a_channel_fails_with_a_sentence_until_it_is_entered_again(vault: Vault) -> None:
    vault.lose_key()
    number = transaction(vault.engine, lambda c: projects.number(c, "shop"))
    (channel,) = transaction(vault.engine, lambda c: channels.of_project(c, number))
    transaction(vault.engine, lambda c: record.add_test(c, number, channel.id, ledger_clock.now()))
    Notifier(vault.engine, NotifierSettings.from_environment({})).send_all()
    ((event,),) = [transaction(vault.engine, lambda c: deliveries.recent(c, number))]

    assert "cannot be read: its key is lost" == channel.shown
    assert event.deliveries[0].given_up
    assert event.deliveries[0].error.startswith(
        "It was encrypted with a key that the ledger does not have. Put that key"
    )
    for target, secret in (("", SECRET), (ADDRESS, "")):  # half of it is not enough
        with pytest.raises(InputError):
            change(vault, number, channel.id, target, secret)
    change(vault, number, channel.id, ADDRESS, SECRET)
    assert ["https://hooks.example/…"] == vault.shown()


def change(vault: Vault, number: int, channel: int, target: str, secret: str) -> None:
    now = ledger_clock.now()
    transaction(vault.engine, lambda c: channels.change(c, number, channel, target=target, secret=secret, now=now))


def test_without_its_key_a_second_factor_accepts_recovery_codes_alone(vault: Vault) -> None:
    now = ledger_clock.now()
    code = code_of(vault, vault.totp)
    recovery = transaction(vault.engine, lambda c: second_factor.confirm(c, 7, code, now))
    vault.lose_key()

    assert transaction(vault.engine, lambda c: second_factor.is_on(c, 7))
    with pytest.raises(InputError, match=r"the key of its secret is lost\. Enter a recovery code"):
        transaction(vault.engine, lambda c: second_factor.accept(c, 7, code, now))
    assert transaction(vault.engine, lambda c: second_factor.accept(c, 7, recovery[0], now))


def test_a_rotation_encrypts_everything_and_two_of_them_end_the_old_key(vault: Vault, run: Callable[..., Said]) -> None:
    before, (old,) = vault.stored(), vault.keys.read()
    assert (0, "", "ledger: every stored secret is encrypted with a new key\n") == run("rotate-keys")
    new, kept = vault.keys.read()

    assert kept == old
    assert set(before).isdisjoint(vault.stored())
    vault.keys.replace([new])
    assert (["https://hooks.example/…"], vault.totp) == (vault.shown(), vault.secret())
    vault.keys.replace([new, old])
    run("rotate-keys")
    assert old not in vault.keys.read()


def test_a_rotation_keeps_every_key_when_something_cannot_be_read(vault: Vault, run: Callable[..., Said]) -> None:
    lost = vault.lose_key()
    (other,) = vault.keys.read()
    code, _, said = run("rotate-keys")
    assert (0, True) == (code, LOST in said)
    assert other in vault.keys.read()

    code, _, said = run("add-keys", stdin=f"{lost}\n".encode())
    assert (code, said) == (0, "ledger: every stored secret can be read\n")
    assert vault.totp == vault.secret()


def test_the_keys_are_printed_and_what_is_no_key_is_refused(vault: Vault, run: Callable[..., Said]) -> None:
    (key,) = vault.keys.read()
    assert (0, f"{key}\n", "") == run("keys")
    assert (1, "", "ledger: The keys on stdin cannot be used: line 1 is not a key, 32 bytes in base64.\n") == run(
        "add-keys", stdin=b"no-key\n"
    )
    vault.settings.key_file.unlink()
    code, printed, said = run("keys")
    assert (code, printed, "cannot be read: No such file" in said) == (1, "", True)
    vault.keys.create()


def test_two_changes_of_the_keys_do_not_meet(vault: Vault) -> None:
    with vault.engine.connect() as other, stored._locked(other), pytest.raises(TimeoutError, match="another process"):  # noqa: SLF001
        stored.rotate(vault.engine)
    stored.rotate(vault.engine)


def test_the_start_creates_the_key_once_and_says_what_cannot_be_read(vault: Vault, run: Callable[..., Said]) -> None:
    assert (0, "", "") == run("migrate")
    vault.settings.key_file.unlink()
    code, _, said = run("migrate")

    assert code == 0
    assert f"ledger: created a key for stored secrets: {vault.settings.key_file}\n" in said
    assert LOST in said


def test_a_start_without_a_place_for_keys_says_so_and_goes_on(
    vault: Vault, run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_KEY_FILE", f"{vault.settings.key_file}/keys")
    code, _, said = run("migrate")

    assert code == 0
    assert "cannot be written: Not a directory" in said


def test_a_backup_is_restored_elsewhere_and_read_with_its_keys(vault: Vault, run: Callable[..., Said]) -> None:
    stream = io.BytesIO()
    backup.write(vault.engine, stream)
    with vault.engine.begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for table in set(inspect(vault.engine).get_table_names()) - backup.UNTOUCHED_TABLES:
            connection.execute(text(f"DELETE FROM `{table}`"))  # noqa: S608 - the name is the database's own
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
    lost = vault.lose_key()
    code, _, said = run("restore", stdin=stream.getvalue())

    assert (code, LOST in said, "add-keys" in said) == (0, True, True)
    run("add-keys", stdin=lost.encode())
    assert (["https://hooks.example/…"], vault.totp) == (vault.shown(), vault.secret())
