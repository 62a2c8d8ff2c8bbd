"""Proofs of a running project are sent to a ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from tests.integration.commands.test_command_line import cloison
from tests.integration.compose_project import Lab, three_tiers
from tests.unit.ledger_client import fake_ledger
from tests.unit.ledger_client.fake_ledger import TOKEN_VARIABLE, status

pytestmark = pytest.mark.engine


@pytest.fixture
def server() -> Iterator[fake_ledger.Ledger]:
    with fake_ledger.running() as server:
        yield server


def environment(lab: Lab, server: fake_ledger.Ledger) -> dict[str, str]:
    return {
        "CLOISON_LEDGER": server.url,
        "CLOISON_LEDGER_TOKEN": TOKEN_VARIABLE,
        "XDG_STATE_HOME": str(lab.folder / "state"),
    }


def test_the_proof_that_is_shown_is_the_one_that_arrives(lab: Lab, server: fake_ledger.Ledger) -> None:
    document = three_tiers()
    for body in document["services"].values():
        body["healthcheck"] = {"test": ["CMD", "true"], "interval": "1s"}
    lab.write(document)
    words = ("up", *lab.selection.options, "--format", "terminal,json", "-o", "proof.json")
    done = cloison(lab, *words, **environment(lab, server))

    name = hashlib.sha256((lab.folder / "proof.json").read_bytes()).hexdigest()
    assert (0, [name]) == (done.returncode, server.stored)
    assert f"cloison: Sent proof {name[:12]} to {server.url}\n" in done.stderr
    assert TOKEN_VARIABLE not in done.stdout + done.stderr


def test_a_ledger_that_is_away_changes_neither_report_nor_verdict(tiers: Lab, server: fake_ledger.Ledger) -> None:
    server.always = status(503)
    away = cloison(tiers, "prove", *tiers.selection.options, **environment(tiers, server))
    asked = cloison(tiers, "prove", "--ledger-required", *tiers.selection.options, **environment(tiers, server))
    first, second, _ = server.posted
    server.always = None
    back = cloison(tiers, "prove", *tiers.selection.options, **environment(tiers, server))

    assert (0, True) == (away.returncode, away.stdout.startswith("PROVEN"))
    assert "1 proof remains in" in away.stderr
    assert (3, True) == (asked.returncode, asked.stdout.startswith("PROVEN"))
    assert first == second, "the first in the spool is tried first, and then the latest"
    assert 0 == back.returncode
    assert ", and 2 proofs from the spool" in back.stderr
    assert (3, first) == (len(server.stored), server.stored[0])


def test_a_ledger_without_a_token_is_an_error_before_any_work(tiers: Lab) -> None:
    done = cloison(tiers, "prove", *tiers.selection.options, "--ledger", "https://ledger.example")

    assert (2, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("cloison: --ledger needs a token of the project: set CLOISON_LEDGER_TOKEN")
