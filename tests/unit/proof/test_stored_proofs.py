"""Proofs that an earlier version wrote stay readable: by the report, byte for byte, and by the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloison.cli import cloison
from cloison.proof.schema import canonical, parse
from ledger.archive import validate

STORED = Path(__file__).parent / "stored"
FIRST_LINES = {"breach": (1, "BREACHED  shop · docker 20.10.24"), "holds": (0, "PROVEN  shop · docker 20.10.24")}


@pytest.mark.parametrize("name", FIRST_LINES)
def test_a_stored_proof_keeps_its_bytes(name: str) -> None:
    document = (STORED / f"{name}.json").read_bytes()

    assert canonical(parse(document)) == document


@pytest.mark.parametrize("name", FIRST_LINES)
def test_a_stored_proof_is_reported_with_its_exit_code(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, first_line = FIRST_LINES[name]

    assert cloison.main(["report", str(STORED / f"{name}.json")], standalone_mode=False) == code
    assert capsys.readouterr().out.startswith(first_line)


@pytest.mark.parametrize("name", FIRST_LINES)
def test_the_ledger_accepts_a_stored_proof(name: str) -> None:
    proof = validate.read((STORED / f"{name}.json").read_bytes()).proof

    assert proof["project"]["name"] == "shop"
