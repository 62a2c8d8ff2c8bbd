"""The part of the official MariaDB image's contract that the stack relies on, on whichever image it uses."""

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import run, soon

if TYPE_CHECKING:
    import subprocess

    from tests.e2e.stack.conftest import Stack

pytestmark = pytest.mark.stack

NAME = "cloison-contract"
Start = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def database(stack: "Stack") -> Iterator[Start]:
    """Start a database of its own, on a volume of its own."""
    image = stack.image("db")

    def start(*options: str) -> "subprocess.CompletedProcess[str]":
        volume = f"{NAME}:/var/lib/mysql"
        return run("docker", "run", "--detach", "--name", NAME, "--volume", volume, *options, image)

    yield start
    run("docker", "rm", "--force", "--volumes", NAME, check=False)
    run("docker", "volume", "rm", "--force", NAME)


def healthy() -> bool:
    check = ["healthcheck.sh", "--connect", "--innodb_initialized"]
    return run("docker", "exec", NAME, *check, check=False).returncode == 0


def sql(statement: str) -> str:
    return run("docker", "exec", NAME, "mariadb", "-uroot", "-pr'o\"o\\t", "-N", "-e", statement, check=False).stdout


def ended() -> bool:
    return run("docker", "inspect", "-f", "{{.State.Running}}", NAME).stdout.strip() == "false"


def test_scripts_run_once_in_order_of_name(database: Start, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("CREATE TABLE t (v VARCHAR(9)); INSERT INTO t VALUES ('sql');", encoding="utf-8")
    (tmp_path / "2.sql.gz").write_bytes(gzip.compress(b"INSERT INTO t VALUES ('gz');"))
    (tmp_path / "3.sh").write_text(
        'docker_process_sql --database="$MARIADB_DATABASE" <<< "INSERT INTO t VALUES (\'sh\')"', encoding="utf-8"
    )
    tmp_path.chmod(0o755)
    database(
        "--volume", f"{tmp_path}:/docker-entrypoint-initdb.d:ro",
        "--env", "MARIADB_ROOT_PASSWORD=r'o\"o\\t", "--env", "MARIADB_DATABASE=d_b",
    )  # fmt: skip
    soon(healthy, "the first start ends", 60)
    run("docker", "restart", NAME)
    soon(healthy, "the second start ends", 60)

    assert sql("SELECT GROUP_CONCAT(v ORDER BY v) FROM d_b.t") == "gz,sh,sql\n"


def test_a_value_and_its_file_together_are_an_error(database: Start) -> None:
    database("--env", "MARIADB_ROOT_PASSWORD=x", "--env", "MARIADB_ROOT_PASSWORD_FILE=/etc/hostname")
    soon(ended, "it refuses")
    log = run("docker", "logs", NAME)

    assert "MARIADB_ROOT_PASSWORD_FILE" in log.stdout + log.stderr


def test_no_root_password_is_an_error(database: Start) -> None:
    database()
    soon(ended, "it refuses")

    assert run("docker", "inspect", "-f", "{{.State.ExitCode}}", NAME).stdout.strip() == "1"


def test_started_as_root_it_becomes_mysql_and_stops_when_told(database: Start) -> None:
    database("--env", "MARIADB_ROOT_PASSWORD=r'o\"o\\t")
    soon(healthy, "the first start ends", 60)
    user = run("docker", "exec", NAME, "stat", "-c", "%U", "/proc/1").stdout.strip()
    begin = time.monotonic()
    run("docker", "stop", "--time", "20", NAME)

    assert user == "mysql"
    assert time.monotonic() - begin < 3
    assert run("docker", "inspect", "-f", "{{.State.ExitCode}}", NAME).stdout.strip() == "0"


def test_killed_during_its_first_start_it_begins_again(database: Start, stack: "Stack") -> None:
    if not stack.image("db").startswith("localhost/cloison/airgap-"):
        pytest.skip("the official image does not promise this")
    database("--env", "MARIADB_ROOT_PASSWORD=r'o\"o\\t")
    soon(lambda: "creating the database" in run("docker", "logs", NAME).stderr, "the first start begins")
    time.sleep(0.7)
    run("docker", "kill", NAME)
    run("docker", "start", NAME)
    soon(healthy, "the first start ends at the second try", 60)

    assert sql("SELECT 1") == "1\n"


def test_building_again_changes_nothing(stack: "Stack") -> None:
    if not stack.image("db").startswith("localhost/cloison/airgap-"):
        pytest.skip("the stand-ins are not in use")
    begin = time.monotonic()
    said = run("images/build.sh").stdout

    assert said.count("is up to date") == 3
    assert time.monotonic() - begin < 10
