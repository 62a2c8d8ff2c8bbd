"""The ledger validates proofs with the published JSON Schema."""

from pathlib import Path

import ledger

ROOT = Path(__file__).parents[4]


def test_the_ledger_checks_the_published_form() -> None:
    own = Path(ledger.__file__).parent / "archive" / "proof.schema.json"

    assert (ROOT / "docs" / "proof.schema.json").read_bytes() == own.read_bytes(), (
        "cp docs/proof.schema.json app/ledger/archive/"
    )
