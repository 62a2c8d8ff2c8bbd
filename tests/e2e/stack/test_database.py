"""Real SQL on the real database: narrow rights, migrations that meet."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import run

if TYPE_CHECKING:
    from tests.e2e.stack.conftest import Stack

pytestmark = pytest.mark.stack

ASK = """
import sys
from ledger.database import code, engine_for
from ledger.settings import Settings
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
with engine_for(Settings.from_environment()).connect() as connection:
    for statement in sys.stdin.read().splitlines():
        try:
            rows = connection.execute(text(statement))
            print(rows.scalar() if rows.returns_rows else "done")
        except DBAPIError as error:
            print(error.orig.args[0])
"""


def ask(stack: "Stack", *statements: str) -> list[str]:
    """Ask as the application, with its own connection."""
    return stack.inside("app", "python", "-c", ASK, input="\n".join(statements)).splitlines()


def test_transactions_are_read_committed(stack: "Stack") -> None:
    assert ask(stack, "SELECT @@transaction_isolation") == ["READ-COMMITTED"]


def test_the_account_may_work_and_migrate_and_nothing_else(stack: "Stack") -> None:
    answers = ask(
        stack,
        "CREATE TABLE probe (id INT PRIMARY KEY)",
        "DROP TABLE probe",
        "CREATE DATABASE other",
        "SELECT Password FROM mysql.user",
        "CREATE USER 'x'@'%'",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "GRANT SELECT ON ledger.* TO 'healthcheck'@'localhost'",
        "SELECT LOAD_FILE('/etc/passwd')",
    )

    assert answers == ["done", "done", "1044", "1142", "1227", "1044", "1044", "None"]


def test_root_is_local_and_nobody_is_anonymous(stack: "Stack") -> None:
    accounts = stack.as_root("SELECT CONCAT(User, '@', Host) FROM mysql.user ORDER BY 1").split()

    assert "root@localhost" in accounts
    assert [account for account in accounts if account.endswith("@%")] == ["ledger@%"]
    assert not [account for account in accounts if account.startswith("@")]


def test_replicas_that_start_together_migrate_once(stack: "Stack") -> None:
    stack.as_root("CREATE DATABASE race; GRANT ALL ON race.* TO 'ledger'@'%'")
    migrate = ["docker", "exec", "-e", "LEDGER_DB_NAME=race", stack.name("app"), "python", "-m", "ledger", "migrate"]
    try:
        with ThreadPoolExecutor(4) as crowd:
            ends = list(crowd.map(lambda _: run(*migrate, check=False), range(4)))
        shape = stack.as_root("SELECT COUNT(*) FROM race.proof; SELECT version_num FROM race.alembic_version")
        newest = stack.as_root("SELECT version_num FROM ledger.alembic_version")
    finally:
        stack.as_root("DROP DATABASE race; REVOKE ALL ON race.* FROM 'ledger'@'%'")

    assert [(end.returncode, end.stderr) for end in ends] == [(0, "")] * 4
    assert shape.split() == ["0", newest.strip()]
