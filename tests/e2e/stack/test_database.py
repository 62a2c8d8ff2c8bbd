"""Real SQL on the real database: narrow rights, migrations that meet."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import ROOT, run, soon

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


WITHOUT_A_PASSWORD = """
SELECT CONCAT(User, '@', Host) FROM mysql.global_priv
WHERE COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '') IN ('', 'invalid')
  AND NOT COALESCE(JSON_VALUE(Priv, '$.account_locked'), FALSE) AND NOT COALESCE(JSON_VALUE(Priv, '$.is_role'), FALSE)
"""
OF_BEFORE = """
CREATE USER 'root'@'127.0.0.1'; GRANT ALL ON *.* TO 'root'@'127.0.0.1'; CREATE USER 'root'@'::1';
CREATE USER ''@'localhost';
CREATE USER 'mysql'@'localhost' IDENTIFIED VIA mysql_native_password USING 'invalid' OR unix_socket;
CREATE USER 'it''s "me"'@'%'; CREATE USER 'kept'@'localhost' IDENTIFIED BY 'of-the-tests'; CREATE ROLE a_role;
"""


def test_no_account_is_without_a_password(stack: "Stack") -> None:
    assert stack.as_root(WITHOUT_A_PASSWORD) == ""


def test_a_volume_of_before_loses_its_accounts_without_a_password(stack: "Stack") -> None:
    stack.as_root(OF_BEFORE)
    assert len(stack.as_root(WITHOUT_A_PASSWORD).splitlines()) == 5
    run("docker", "restart", stack.name("db"))
    soon(lambda: stack.get("/readyz").status == 200, "the application reaches the database again")
    left = stack.as_root("SELECT User FROM mysql.global_priv").split()
    stack.as_root("DROP USER 'kept'@'localhost'; DROP ROLE a_role")

    assert stack.as_root(WITHOUT_A_PASSWORD) == ""
    assert sorted({"mysql", "kept", "a_role"} & set(left)) == ["a_role", "kept"]


def test_a_process_beside_the_database_is_not_root(stack: "Stack") -> None:
    words = ["--network", f"container:{stack.name('db')}", "--cap-drop=ALL", "--user=65534", "--entrypoint=mariadb"]
    for address in ("127.0.0.1", "::1"):
        done = run(
            "docker", "run", "--rm", *words, stack.image("db"),
            "-uroot", f"-h{address}", "--protocol=tcp", "--skip-ssl", "-e", "SELECT 1", check=False,
        )  # fmt: skip

        assert done.returncode == 1
        assert any(code in done.stderr for code in ("1045", "(99)")), done.stderr  # 99: there is no IPv6


@pytest.mark.parametrize("reserve", ["abc", "-1", "1.5", "1 2"])
def test_a_reserve_that_is_no_number_is_an_error(stack: "Stack", reserve: str) -> None:
    given = ["--volume", f"{ROOT}/db/start.sh:/start.sh:ro", "--env", f"LEDGER_DB_RESERVE={reserve}"]
    done = run("docker", "run", "--rm", *given, "--entrypoint=bash", stack.image("db"), "/start.sh", check=False)

    assert done.returncode == 1
    assert f'LEDGER_DB_RESERVE is "{reserve}"' in done.stderr


def test_a_guard_that_has_ended_is_noticed(stack: "Stack") -> None:
    stack.inside("db", "bash", "-c", "kill -KILL $(< /run/mysqld/guard)")
    try:
        soon(lambda: "unhealthy" in stack.health(), "the health check tells", 60)
    finally:
        run("docker", "restart", stack.name("db"))
    soon(stack.is_whole, "a restart starts it again", 60)


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
