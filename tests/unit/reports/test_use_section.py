"""The section that says which lines of the policy are in use now."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.reports import sample_proofs
from tests.unit.reports.sample_project import world

from cloison.proof.schema import LearnedPart, Proof, UsePart, canonical, parse
from cloison.reports.limits import limits_for
from cloison.reports.terminal import render
from cloison.reports.use_section import use_section
from cloison_view.summary import summarize

HEADING = "The policy's lines when the proof began"


def lines(proof: Proof) -> list[str]:
    return [text.plain for text in use_section(proof, 100, limits_for(summarize(proof)))]


def used(*parts: UsePart) -> Proof:
    return replace(sample_proofs.stack().proof(), in_use=[*parts])


def test_each_line_of_the_policy_is_in_use_or_not() -> None:
    proof = used(
        UsePart("app", "db", "tcp", 3306, 2),
        UsePart("app", "proxy", "tcp", 80, 1),
        UsePart("proxy", "outside", "tcp", 0, 1),
        UsePart("app", "db", "tcp", 9999, 1),
        UsePart("host", "db", "tcp", 3306, 1),
    )

    assert [
        HEADING,
        "  in use          app -> db:3306 (app -> db:3306: 2 connections)",
        "  in use          network back, tolerated (app -> proxy:80: 1 connection)",
        "  in use          proxy -> outside, tolerated (proxy -> outside: 1 connection)",
        "  not in use now  outside -> proxy:80; proxy -> app:5000; * -> host, tolerated",
    ] == lines(proof)


def test_the_report_shows_the_section_where_connections_were_read() -> None:
    proof = sample_proofs.stack().proof()

    assert HEADING in render(used(), color=False, width=100, strict=False)
    assert HEADING not in render(proof, color=False, width=100, strict=False)
    assert [] == lines(replace(used(), policy=None))
    assert [] == lines(world({**sample_proofs.STACK, "x-cloison": {}}).proof())


def test_a_policy_without_lines_has_no_section() -> None:
    empty = world({**sample_proofs.STACK, "x-cloison": {}}).proof()

    assert [] == lines(replace(empty, in_use=[]))


def test_a_proof_keeps_its_connections_and_one_without_them_its_bytes() -> None:
    proof, plain = used(UsePart("app", "db", "tcp", 3306, 2)), sample_proofs.stack().proof()

    assert proof == parse(canonical(proof))
    assert [] == parse(canonical(used())).in_use
    assert b"in_use" not in canonical(plain)
    assert parse(canonical(plain)).in_use is None


def test_a_proof_keeps_what_was_learned_and_refuses_another_name_of_a_line() -> None:
    learned = LearnedPart("2026-01-01T00:00:00.000Z", 60, {"allow[0]": "2026-01-01T00:01:00.000Z"})
    proof = replace(sample_proofs.stack().proof(), learned=learned)

    assert proof == parse(canonical(proof))
    assert b"learned" not in canonical(sample_proofs.stack().proof())
    with pytest.raises(msgspec.ValidationError, match="learned"):
        parse(canonical(proof).replace(b"allow[0]", b"deny[0]"))


def test_connections_of_another_protocol_are_no_part_of_a_proof() -> None:
    begin, separator, end = canonical(used(UsePart("app", "db", "tcp", 3306, 2))).partition(b'"in_use":')
    document = begin + separator + end.replace(b'"protocol":"tcp"', b'"protocol":"icmp"', 1)

    with pytest.raises(msgspec.ValidationError, match="in_use"):
        parse(document)
