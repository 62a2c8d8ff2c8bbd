"""A ledger with a channel and a second factor, keys of its own, and the verbs of the operator."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from tests.ledger.sample_proofs import add_project

from ledger import clock as ledger_clock
from ledger.__main__ import main
from ledger.accounts import projects, second_factor
from ledger.database import engine_for, transaction
from ledger.encryption.keys import Keys
from ledger.encryption.stored import COLUMNS
from ledger.notifications import channels
from ledger.settings import Settings

Said = tuple[int, str, str]
ADDRESS = "https://hooks.example/secret-path"
SECRET = "whsec_c2VjcmV0IG9mIHRoZSBjaGFubmVsIG9wcw=="
ACCOUNT = text("INSERT INTO account (id, name, password, is_administrator, created) VALUES (7, 'rita', 'x', 0, NOW())")


@dataclass
class Vault:
    """What the tests ask of a ledger with stored secrets."""

    engine: Engine
    settings: Settings
    totp: str

    @property
    def keys(self) -> Keys:
        """Return its keys."""
        return Keys(self.settings.key_file)

    def shown(self) -> list[str]:
        """Return what people see of the channels."""
        number = transaction(self.engine, lambda c: projects.number(c, "shop"))
        return [one.shown for one in transaction(self.engine, lambda c: channels.of_project(c, number))]

    def secret(self) -> str:
        """Return the TOTP secret of the account."""
        return transaction(self.engine, lambda c: second_factor.secret_of(c, 7))

    def stored(self) -> list[str]:
        """Return the encrypted columns as they are in the database."""
        statement = " UNION ALL ".join(f"SELECT {one.column} FROM {one.table}" for one in COLUMNS)  # noqa: S608
        with self.engine.connect() as connection:
            return list(connection.scalars(text(statement)))

    def lose_key(self) -> str:
        """Put another key in the place of the key, and return the lost one."""
        (lost,) = self.keys.read()
        self.settings.key_file.unlink()
        self.keys.create()
        return lost


@pytest.fixture
def vault(engine: Engine, database_settings: Settings, tmp_path: Path) -> Vault:
    settings = replace(database_settings, key_file=tmp_path / "keys")
    Keys(settings.key_file).create()
    own = engine_for(settings)
    add_project(own, "shop")
    now = ledger_clock.now()
    with own.begin() as connection:
        connection.execute(ACCOUNT)
        number = projects.number(connection, "shop")
        channels.add(connection, number, "ops", kind="json", target=ADDRESS, secret=SECRET, now=now)
        second_factor.begin(connection, 7, now)
        totp = second_factor.secret_of(connection, 7)
    return Vault(own, settings, totp)


@pytest.fixture
def run(vault: Vault, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Run a verb with the variables of the container, and return its exit code, what it printed, and what it said."""
    monkeypatch.setenv("LEDGER_DB_HOST", vault.settings.db_host)
    monkeypatch.setenv("LEDGER_DB_PASSWORD_FILE", str(vault.settings.db_password_file))
    monkeypatch.setenv("LEDGER_KEY_FILE", str(vault.settings.key_file))

    def ran(*argv: str, stdin: bytes = b"") -> Said:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main(list(argv))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return ran
