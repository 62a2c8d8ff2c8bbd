"""The operator's command line."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ledger.__main__ import main, parser
from ledger.accounts import cli as accounts_cli
from ledger.accounts import tokens, users

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import SampleLedger

    from ledger.settings import Settings

Said = tuple[int, str, str]


@pytest.fixture
def run(world: "SampleLedger", capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a verb and return its exit code, what it printed, and what it said."""

    def ran(*argv: str) -> Said:
        arguments = parser().parse_args(argv)
        code = accounts_cli.run(world.engine, accounts_cli.VERBS[argv[0]], arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return ran


def test_the_first_administrator_is_made_once(world: "SampleLedger", run: Callable[..., Said]) -> None:
    assert run("first-administrator") == (0, "", "ledger: an administrator exists already\n")
    world.remove_accounts()
    code, password, said = run("first-administrator")

    assert (code, said) == (0, "ledger: created the administrator admin; this password is shown once\n")
    assert world.browser_of_new("admin", password.strip()).get("/admin/users").status_code == 200
    assert run("first-administrator")[:2] == (0, "")
    assert password.strip() not in str(world.log())


def test_a_former_administrator_becomes_one_again(world: "SampleLedger", run: Callable[..., Said]) -> None:
    world.remove_accounts()
    world.add("admin")
    password = run("first-administrator")[1].strip()

    assert world.browser_of_new("admin", password).get("/admin/users").status_code == 200


def test_a_user_is_added_with_readable_projects(world: "SampleLedger", run: Callable[..., Said]) -> None:
    code, password, said = run("add-user", "nora", "--project", "ours")

    assert (code, said) == (0, "ledger: added nora; this password is shown once\n")
    assert world.browser_of_new("nora", password.strip()).get("/projects/ours").status_code == 200
    assert world.do(lambda c: users.get_account(c, "nora")).reads == ("ours",)
    assert world.log()[0] == ("command line", "added account", "nora, reader, reads ours")


def test_a_forgotten_password_is_replaced(world: "SampleLedger", run: Callable[..., Said]) -> None:
    password = run("reset-password", "rita")[1].strip()

    assert world.browser_of_new("rita", password).get("/projects/ours").status_code == 200


def test_a_project_is_there_afterwards(world: "SampleLedger", run: Callable[..., Said]) -> None:
    assert run("add-project", "new-one") == (0, "", "ledger: added the project new-one\n")
    assert run("add-project", "new-one") == (0, "", "ledger: the project new-one exists already\n")


def test_a_token_is_made_replaced_and_revoked(world: "SampleLedger", run: Callable[..., Said]) -> None:
    first = run("new-token", "ours", "make up", "--write")[1].strip()
    assert run("new-token", "ours", "make up", "--write")[0] == 1
    second = run("new-token", "ours", "make up", "--write", "--replace")[1].strip()
    assert world.do(lambda c: tokens.find(c, first)) is None
    assert world.do(lambda c: tokens.find(c, second)).may_write

    assert run("revoke-token", "ours", "make up")[0] == 0
    assert world.do(lambda c: tokens.find(c, second)) is None
    assert [what for _, what, _ in world.log()] == ["made token", "revoked token", "made token", "revoked token"]


@pytest.mark.parametrize(
    ("project", "scopes", "code"),
    [("ours", {"may_write": True}, 0), ("ours", {"may_read": True}, 1), ("theirs", {"may_write": True}, 1)],
)
def test_a_token_is_checked_for_what_it_is_needed_for(  # noqa: PLR0913, PLR0917
    world: "SampleLedger",
    run: Callable[..., Said],
    monkeypatch: pytest.MonkeyPatch,
    project: str,
    scopes: dict[str, bool],
    code: int,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(world.token(project, "x", **scopes) + "\n"))

    assert run("check-token", "ours")[0] == code


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("add-user", "rita"), "There is an account rita already."),
        (("add-user", "No!"), "A name has 1 to 63 lower-case letters"),
        (("add-user", "x", "--project", "nowhere"), "There is no project nowhere."),
        (("reset-password", "nobody"), "There is no account nobody."),
        (("reset-second-factor", "rita"), "rita has no second factor."),
        (("reset-second-factor", "nobody"), "There is no account nobody."),
        (("unlock", "nobody"), "There is no account nobody."),
        (("add-project", "No!"), "A project's name is the one that Compose gives it"),
        (("new-token", "nowhere", "x", "--read"), "There is no project nowhere."),
        (("new-token", "ours", "x"), "choose one or both"),
        (("revoke-token", "ours", "x"), "ours has no valid token x."),
    ],
)
def test_an_error_is_one_sentence(
    world: "SampleLedger", run: Callable[..., Said], argv: tuple[str, ...], said: str
) -> None:
    before = world.log()
    code, printed, told = run(*argv)

    assert (code, printed) == (1, "")
    assert told.startswith("ledger: ")
    assert said in told
    assert told.count("\n") == 1
    assert world.log() == before


def test_the_command_line_reaches_the_database_of_the_settings(
    world: "SampleLedger",
    database_settings: "Settings",
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LEDGER_DB_HOST", database_settings.db_host)
    monkeypatch.setenv("LEDGER_DB_PASSWORD_FILE", str(database_settings.db_password_file))

    assert main(["add-project", "by-main"]) == 0
    assert main(["migrate"]) == 0
    assert "added the project by-main" in capsys.readouterr().err


def test_a_missing_database_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LEDGER_DB_PASSWORD_FILE", "/nowhere")

    assert main(["add-project", "x"]) == 1
    assert capsys.readouterr().err.startswith("ledger: the database does not answer: ")
