"""The stack's own ledger: its first administrator is told once, and its proofs are sent with a token of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.setup.conftest import FakeMachine

PORT = "18499"
LEDGER = "compose exec -T app python -m ledger"
PASSWORD = "aaaaa-bbbbb-ccccc-ddddd"
TOKEN = "clo_of-the-test"
ADDRESS = f"http://localhost:{PORT}"


def command(fake_machine: FakeMachine, script: str) -> None:
    """Give the clone's environment a `cloison` command."""
    assert fake_machine.run("setup/python.sh").code == 0
    program = fake_machine.clone / ".venv/bin/cloison"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)


def ledger(
    fake_machine: FakeMachine, *, first: str = "exit 0", check: str = "exit 0", new: str = f"echo {TOKEN}"
) -> None:
    """Say what the ledger answers."""
    fake_machine.docker(
        {
            f'"{LEDGER} first-administrator"': first,
            f'"{LEDGER} check-token world"': check,
            f'"{LEDGER} new-token world make up --write --replace"': new,
            '"compose ps"*': "echo 0123456789ab",
        }
    )


def everywhere(fake_machine: FakeMachine) -> str:
    """Return every file of the clone that a run could have left a secret in, and every call."""
    texts = [path.read_text(errors="replace") for path in (fake_machine.clone / ".cache/log").iterdir()]
    return "\n".join([*texts, *fake_machine.calls()])


@pytest.mark.parametrize("code", [0, 1, 3, 130])
def test_the_first_administrator_is_told_whatever_the_proof_says(fake_machine: FakeMachine, code: int) -> None:
    command(fake_machine, f"exit {code}")
    ledger(fake_machine, first=f"echo {PASSWORD}")

    result = fake_machine.run("setup/up.sh", CLOISON_PORT=PORT)

    assert result.code == code
    assert result.said.count(PASSWORD) == 1
    assert PASSWORD in result.said.splitlines()[-2]
    assert PASSWORD not in everywhere(fake_machine)


def test_an_administrator_that_is_there_is_not_told(fake_machine: FakeMachine) -> None:
    command(fake_machine, "exit 0")
    ledger(fake_machine)

    assert "administrator" not in fake_machine.run("setup/up.sh", CLOISON_PORT=PORT).said


def test_a_ledger_that_cannot_make_one_is_no_success(fake_machine: FakeMachine) -> None:
    command(fake_machine, "exit 0")
    ledger(fake_machine, first="exit 1")

    result = fake_machine.run("setup/up.sh", CLOISON_PORT=PORT)

    assert result.code == 1
    assert "docker compose exec app python -m ledger first-administrator says why" in result.said


@pytest.mark.parametrize("verb", ["up", "prove"])
def test_a_proof_is_sent_with_a_token_of_our_own(fake_machine: FakeMachine, verb: str) -> None:
    command(fake_machine, f'[[ $CLOISON_LEDGER_TOKEN == {TOKEN} ]] && echo "cloison $*"')
    ledger(fake_machine)

    result = fake_machine.run(f"setup/{verb}.sh", CLOISON_PORT=PORT)

    assert f"cloison {verb} --ledger {ADDRESS}\n" in result.said
    kept = fake_machine.clone / ".cache/ledger.token"
    assert kept.read_text() == f"{TOKEN}\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert TOKEN not in everywhere(fake_machine)
    assert TOKEN not in result.said


@pytest.mark.parametrize(("check", "used"), [("cat >/dev/null", "of-last-time"), ("exit 1", TOKEN)])
def test_a_token_is_kept_until_it_is_refused(fake_machine: FakeMachine, check: str, used: str) -> None:
    command(fake_machine, "[[ $* != *--ledger* ]] || exit 0")
    ledger(fake_machine, check=check)
    kept = fake_machine.clone / ".cache/ledger.token"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("of-last-time\n")

    assert fake_machine.run("setup/prove.sh", CLOISON_PORT=PORT).code == 0
    assert kept.read_text() == f"{used}\n"


def test_without_a_token_the_proof_is_made_all_the_same(fake_machine: FakeMachine) -> None:
    command(fake_machine, 'echo "cloison $*"; exit 3')
    ledger(fake_machine, new="exit 1")

    result = fake_machine.run("setup/prove.sh", CLOISON_PORT=PORT)

    assert result.code == 3
    assert "The ledger gives no token for this project" in result.said
    assert "\ncloison prove\n" in result.said
