from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.unit.fake_engine import BACK, STACK, FakeEngine, foreign_container

from cloison.model.outcome import Outcome
from cloison.proof import schema as proof_schema
from cloison.proof.schema import Proof, SkippedPart, TolerationPart

WORLDS = {
    "proven": (STACK.with_policy(), {}),
    "without a policy": (STACK, {}),
    "with a stranger": (STACK.with_containers(foreign_container("spy", (BACK, "172.30.1.66"))).with_policy(), {}),
    "with a missing service": (STACK.with_stopped("db-1").with_policy(), {}),
    "with an answer that nobody expected": (STACK.with_policy(), {"db-1 -> outside:*": Outcome.ACCEPTED}),
}
PROOF, PLAIN = STACK.with_policy().proof(), STACK.proof()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WHOLE = st.integers(0, 2**53 - 1)
WORD = st.sampled_from(["breach", "broken", "drift", "holds", "tolerated", "unjudged", "unknown"])


@pytest.mark.parametrize(("deployment", "said"), WORLDS.values(), ids=WORLDS)
def test_a_proof_is_read_back_as_it_was_written(deployment: FakeEngine, said: dict[str, Outcome]) -> None:
    written = deployment.proof(said)

    assert written == proof_schema.parse(proof_schema.canonical(written))


@given(st.lists(TEXT, max_size=3), TEXT, TEXT, WHOLE, st.dictionaries(WORD, WHOLE, max_size=3))
def test_any_text_and_number_survives(
    notes: list[str], what: str, why: str, number: int, totals: dict[str, int]
) -> None:
    found = PROOF
    coverage = msgspec.structs.replace(found.coverage, absent=notes, skipped=[SkippedPart(what, why)])
    other = msgspec.structs.replace(found, notes=notes, duration_ms=number, totals=totals, coverage=coverage)

    assert other == proof_schema.decode_canonical(proof_schema.canonical(other), Proof)
    assert rfc8785.dumps(msgspec.to_builtins(other)) == proof_schema.canonical(other)


def test_every_character_is_written_as_rfc_8785_says() -> None:
    everything = "".join(chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number <= 0xDFFF)
    found = msgspec.structs.replace(PLAIN, notes=[everything])

    assert rfc8785.dumps(msgspec.to_builtins(found)) == proof_schema.canonical(found)


def test_a_lone_surrogate_is_not_encoded() -> None:
    with pytest.raises(UnicodeEncodeError):
        proof_schema.canonical(msgspec.structs.replace(PLAIN, notes=["\ud83d"]))


@pytest.mark.parametrize(
    "change", [{"duration_ms": 2**53}, {"duration_ms": 1.5}, {"totals": {"\ue000": 1, "\U0001f600": 1}}]
)
def test_a_value_without_canonical_bytes_is_refused(change: dict[str, Any]) -> None:
    document = msgspec.to_builtins(PLAIN)

    with pytest.raises(msgspec.ValidationError):
        proof_schema.parse(msgspec.json.encode(document | change))


def backwards(body: Any) -> Any:
    """Reverse the order of the keys of every mapping."""
    if isinstance(body, dict):
        return {key: backwards(value) for key, value in reversed(body.items())}
    return [backwards(value) for value in body] if isinstance(body, list) else body


def test_the_bytes_do_not_depend_on_spaces_or_the_order_of_keys() -> None:
    canonical = proof_schema.canonical(PROOF)

    spread = json.dumps(backwards(json.loads(canonical)), indent=2).encode()
    assert spread != canonical
    assert canonical == proof_schema.canonical(msgspec.json.decode(spread, type=Proof))
    with pytest.raises(proof_schema.NotCanonicalError):
        proof_schema.parse(spread)


def test_the_bytes_are_the_canonical_ones() -> None:
    canonical = proof_schema.canonical(PROOF)

    plain = json.dumps(json.loads(canonical), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert plain.encode() == canonical


@pytest.mark.parametrize(("deployment", "said"), WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_the_chunks_of_a_proof_are_its_bytes(
    deployment: FakeEngine, said: dict[str, Outcome], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_schema, "FLOWS_PER_CHUNK", size)
    found = deployment.proof(said)

    assert proof_schema.canonical(found) == b"".join(proof_schema.canonical_chunks(found))


def test_the_name_of_a_proof_is_the_hash_of_its_bytes() -> None:
    found = PROOF

    assert hashlib.sha256(proof_schema.canonical(found)).hexdigest() == proof_schema.digest(found)


def test_another_proof_has_another_digest() -> None:
    found = PROOF

    assert proof_schema.digest(found) != proof_schema.digest(
        msgspec.structs.replace(found, duration_ms=found.duration_ms + 1)
    )


def test_a_proof_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        PLAIN.notes = []  # type: ignore[misc]


@pytest.mark.parametrize(("deployment", "said"), WORLDS.values(), ids=WORLDS)
def test_a_proof_fits_its_schema(deployment: FakeEngine, said: dict[str, Outcome]) -> None:
    Draft202012Validator.check_schema(proof_schema.schema())

    Draft202012Validator(proof_schema.schema()).validate(json.loads(proof_schema.canonical(deployment.proof(said))))


def changed(found: Proof, *path: str | int, value: Any) -> dict[str, Any]:
    """Return the document with one value replaced."""
    document: dict[str, Any] = json.loads(proof_schema.canonical(found))
    body: Any = document
    for step in path[:-1]:
        body = body[step]
    body[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), "1"),
        (("verdict", "word"), "fine"),
        (("verdict", "exit_code"), "0"),
        (("flows", 0, "judgement"), "good"),
        (("flows", 0, "observed"), "maybe"),
        (("flows", 0, "drift"), 0),
        (("endpoints", 0, "kind"), "guess"),
        (("policy", "tolerate", 0), "why not"),
        (("coverage",), None),
        (("vantages",), {}),
        (("remark",), "signed by the owner"),
        (("flows", 0, "remark"), "it is fine"),
        (("flows", 0, "endpoint"), -1),
    ],
)
def test_an_invalid_proof_is_refused_by_the_parser_and_the_schema(path: tuple[str | int, ...], value: Any) -> None:
    document = changed(PROOF, *path, value=value)

    assert not Draft202012Validator(proof_schema.schema()).is_valid(document)
    with pytest.raises(msgspec.ValidationError):
        proof_schema.parse(json.dumps(document).encode())


@pytest.mark.parametrize("end", ["vantage", "endpoint"])
def test_a_flow_that_points_one_past_the_last_is_refused(end: str) -> None:
    found = PLAIN
    past = {"vantage": len(found.vantages), "endpoint": len(found.endpoints)}[end]
    document = changed(found, "flows", 0, end, value=past)

    with pytest.raises(msgspec.ValidationError, match="that the document does not have"):
        proof_schema.parse(json.dumps(document).encode())


def test_a_proof_without_a_part_is_refused() -> None:
    document = json.loads(proof_schema.canonical(PLAIN))
    del document["coverage"]

    with pytest.raises(msgspec.ValidationError, match="coverage"):
        proof_schema.parse(json.dumps(document).encode())


@given(st.binary(max_size=60))
def test_random_bytes_are_no_proof(document: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        proof_schema.parse(document)


def test_a_policy_part_has_the_text_of_the_file() -> None:
    policy = PROOF.policy

    assert policy is not None
    assert ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306"] == policy.allow
    assert TolerationPart("network backend_net", "Docker has no policy inside a network.") == policy.tolerate[0]
