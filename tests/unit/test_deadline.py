"""The longest time of a proof: its default, and where it is shown."""

from __future__ import annotations

from msgspec import structs
from tests.unit.reports.sample_proofs import fully_allowed

from cloison.proof.schema import canonical, canonical_chunks, parse
from cloison.reports import terminal
from cloison.workflow.request import default_deadline


def test_the_default_grows_with_flows_and_waits() -> None:
    assert 35 == default_deadline(0, 0.5)
    assert 39 == default_deadline(1000, 0.5)
    assert 567 == default_deadline(132_900, 0.5)
    assert 630 == default_deadline(0, 60)


def test_the_report_shows_the_deadline() -> None:
    proof = structs.replace(fully_allowed(), deadline_ms=34_000)

    assert "deadline 34 s" in "".join(terminal.render(proof, color=False, width=200, strict=False))


def test_a_document_without_a_deadline_keeps_its_bytes() -> None:
    older = structs.replace(fully_allowed(), deadline_ms=0)

    assert b"deadline_ms" not in canonical(older)
    assert older == parse(canonical(older))


def test_a_deadline_is_in_the_document() -> None:
    proof = structs.replace(fully_allowed(), deadline_ms=34_000)

    assert b'"deadline_ms":34000' in canonical(proof)
    assert canonical(proof) == b"".join(canonical_chunks(proof))
