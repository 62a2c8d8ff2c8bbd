"""A real MariaDB of the stack's own image, in memory, for the length of the run."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from ledger.database import engine_for
from ledger.encryption.keys import Keys
from ledger.migrate import migrate
from ledger.settings import Settings

ROOT = Path(__file__).parents[3]
PASSWORD = "of-the-tests"
LABEL = "cloison.tests.database"  # and the process that has it


def docker(*argv: str) -> str:
    """Run docker and return what it printed."""
    return subprocess.run(("docker", *argv), cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout


def start() -> str:
    """Start the database and return its container."""
    image = json.loads(docker("compose", "config", "--format", "json"))["services"]["db"]["image"]
    configuration = f"{ROOT / 'db' / 'server.cnf'}:/etc/mysql/conf.d/server.cnf:ro"
    given = {"DATABASE": "ledger", "USER": "ledger", "PASSWORD": PASSWORD, "ROOT_PASSWORD": PASSWORD}
    environment = [f"--env=MARIADB_{name}={value}" for name, value in given.items()]
    return docker(
        "run",
        "--detach",
        f"--label={LABEL}={os.getpid()}",
        "--tmpfs=/var/lib/mysql",
        f"--volume={configuration}",
        *environment,
        image,
    ).strip()


def forget_left() -> None:
    """Remove what a run left that was killed."""
    shown = docker("ps", "--all", f"--filter=label={LABEL}", "--format", f'{{{{.ID}}}} {{{{.Label "{LABEL}"}}}}')
    for container, _, process in (line.partition(" ") for line in shown.splitlines()):
        if not Path("/proc", process or "none").exists():
            docker("rm", "--force", "--volumes", container)


@pytest.fixture(scope="session")
def database_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Have a database running, and say how to reach it."""
    forget_left()
    container = start()
    try:
        secret = tmp_path_factory.mktemp("secret") / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container).strip()
        keys = secret.with_name("keys")
        Keys(keys).create()
        settings = Settings.from_environment(
            {"LEDGER_DB_HOST": address, "LEDGER_DB_PASSWORD_FILE": str(secret), "LEDGER_KEY_FILE": str(keys)}
        )
        wait_for(settings)
        yield settings
    finally:
        docker("rm", "--force", "--volumes", container)


def wait_for(settings: Settings) -> None:
    """Wait until the database answers on its network, which it does when it has made itself."""
    engine = engine_for(settings)
    deadline = time.monotonic() + 60
    while True:
        try:
            migrate(engine)
        except (SQLAlchemyError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return engine.dispose()


def own_tables(engine: Engine) -> list[str]:
    """Return the tables that are empty after the migrations."""
    return [name for name in inspect(engine).get_table_names() if name not in {"alembic_version", "visits"}]


@pytest.fixture
def engine(database_settings: Settings) -> Iterator[Engine]:
    """Return connections to a migrated database without a row."""
    engine = engine_for(database_settings)
    yield engine
    with engine.begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for table in own_tables(engine):
            connection.execute(text(f"DELETE FROM `{table}`"))  # noqa: S608 - the name is the database's own
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
    engine.dispose()
