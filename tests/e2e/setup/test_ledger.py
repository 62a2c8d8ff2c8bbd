"""The stack's own ledger: its first administrator is told once, and its proofs are sent with a token of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.setup.conftest import World

PORT = "18499"
LEDGER = "compose exec -T app python -m ledger"
PASSWORD = "aaaaa-bbbbb-ccccc-ddddd"
TOKEN = "clo_of-the-test"
ADDRESS = f"http://localhost:{PORT}"


def command(world: World, script: str) -> None:
    """Give the clone's environment a `cloison` command."""
    assert world.run("setup/python").code == 0
    program = world.clone / ".venv/bin/cloison"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)


def ledger(world: World, *, first: str = "exit 0", check: str = "exit 0", new: str = f"echo {TOKEN}") -> None:
    """Say what the ledger answers."""
    world.docker(
        {
            f'"{LEDGER} first-administrator"': first,
            f'"{LEDGER} check-token world"': check,
            f'"{LEDGER} new-token world make up --write --replace"': new,
            '"compose ps"*': "echo 0123456789ab",
        }
    )


def everywhere(world: World) -> str:
    """Return every file of the clone that a run could have left a secret in, and every call."""
    texts = [path.read_text(errors="replace") for path in (world.clone / ".cache/log").iterdir()]
    return "\n".join([*texts, *world.calls()])


@pytest.mark.parametrize("code", [0, 1, 3, 130])
def test_the_first_administrator_is_told_whatever_the_proof_says(world: World, code: int) -> None:
    command(world, f"exit {code}")
    ledger(world, first=f"echo {PASSWORD}")

    result = world.run("setup/up", CLOISON_PORT=PORT)

    assert result.code == code
    assert result.said.count(PASSWORD) == 1
    assert PASSWORD in result.said.splitlines()[-2]
    assert PASSWORD not in everywhere(world)


def test_an_administrator_that_is_there_is_not_told(world: World) -> None:
    command(world, "exit 0")
    ledger(world)

    assert "administrator" not in world.run("setup/up", CLOISON_PORT=PORT).said


def test_a_ledger_that_cannot_make_one_is_no_success(world: World) -> None:
    command(world, "exit 0")
    ledger(world, first="exit 1")

    result = world.run("setup/up", CLOISON_PORT=PORT)

    assert result.code == 1
    assert "docker compose exec app python -m ledger first-administrator says why" in result.said


@pytest.mark.parametrize("verb", ["up", "prove"])
def test_a_proof_is_sent_with_a_token_of_our_own(world: World, verb: str) -> None:
    command(world, f'[[ $CLOISON_LEDGER_TOKEN == {TOKEN} ]] && echo "cloison $*"')
    ledger(world)

    result = world.run(f"setup/{verb}", CLOISON_PORT=PORT)

    assert f"cloison {verb} --ledger {ADDRESS}\n" in result.said
    kept = world.clone / ".cache/ledger.token"
    assert kept.read_text() == f"{TOKEN}\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert TOKEN not in everywhere(world)
    assert TOKEN not in result.said


@pytest.mark.parametrize(("check", "used"), [("cat >/dev/null", "of-last-time"), ("exit 1", TOKEN)])
def test_a_token_is_kept_until_it_is_refused(world: World, check: str, used: str) -> None:
    command(world, "[[ $* != *--ledger* ]] || exit 0")
    ledger(world, check=check)
    kept = world.clone / ".cache/ledger.token"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("of-last-time\n")

    assert world.run("setup/prove", CLOISON_PORT=PORT).code == 0
    assert kept.read_text() == f"{used}\n"


def test_without_a_token_the_proof_is_made_all_the_same(world: World) -> None:
    command(world, 'echo "cloison $*"; exit 3')
    ledger(world, new="exit 1")

    result = world.run("setup/prove", CLOISON_PORT=PORT)

    assert result.code == 3
    assert "The ledger gives no token for this project" in result.said
    assert "\ncloison prove\n" in result.said
