"""The proof document as other tools read it: its schema, its bytes and its digest."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jsonschema
import msgspec
import pytest
from tests.unit.reports.sample_proofs import PROOFS

from cloison.proof.schema import Proof, canonical, digest, parse, schema
from cloison.reports import REPORTS, RenderOptions
from cloison.reports.json_schema import render
from cloison.verdict.judge import Judgement

DOCS: Final = Path(__file__).parents[3] / "docs"
SMALL: Final[dict[str, Any]] = {
    "schema_version": "2",
    "tool": {"name": "cloison", "version": "0.1.0"},
    "verdict": {"word": "unproven", "exit_code": 3},
    "project": {"name": "leer", "services": [], "networks": []},
    "machine": {"name": "vm", "kernel": "Linux 6.1.0"},
    "engine": {
        "name": "docker",
        "version": "28.0.1",
        "forward_policy": "",
        "forward_policy_v6": "ACCEPT",
        "filters_ipv6": True,
        "has_userland_proxy": True,
        "guards_addresses": False,
        "firewall": "",
        "filters_bridges": False,
        "source_check": "",
    },
    "started": "2026-01-02T03:04:05.678Z",
    "duration_ms": 12,
    "patience_ms": 1000,
    "policy": None,
    "vantages": [],
    "endpoints": [],
    "flows": [],
    "totals": {},
    "findings": [],
    "coverage": {"flows": 0, "unknown": 0, "absent": [], "skipped": [], "complete": False},
    "notes": ['é € 😀 "quoted" \\ \u2028 \x00 \n'],
}
VECTOR: Final = (
    '{"coverage":{"absent":[],"complete":false,"flows":0,"skipped":[],"unknown":0},"duration_ms":12,"endpoints":[],'
    '"engine":{"filters_bridges":false,"filters_ipv6":true,"firewall":"","forward_policy":"","forward_policy_v6":"ACCEPT",'
    '"guards_addresses":false,"has_userland_proxy":true,"name":"docker","source_check":"","version":"28.0.1"},'
    '"findings":[],"flows":[],'
    '"machine":{"kernel":"Linux 6.1.0","name":"vm"},"notes":["é € 😀 \\"quoted\\" \\\\ \u2028 \\u0000 \\n"],'
    '"patience_ms":1000,"policy":null,"project":{"name":"leer","networks":[],"services":[]},"schema_version":"2",'
    '"started":"2026-01-02T03:04:05.678Z","tool":{"name":"cloison","version":"0.1.0"},"totals":{},"vantages":[],'
    '"verdict":{"exit_code":3,"word":"unproven"}}'
)
"""Written by hand after RFC 8785: sorted members, no spaces, only what JSON must escape is escaped."""
VALIDATOR: Final = jsonschema.Draft202012Validator(schema())
NAME: Final = "15e282fb32eab9237f695043ed1fe16c6b507751fe04ec0463524a5d0ddd959c"

Change = Callable[[dict[str, Any]], object]
REFUSED: Final[dict[str, Change]] = {
    "a member is missing": lambda d: d.pop("verdict"),
    "an inner member is missing": lambda d: d["flows"][0].pop("reason"),
    "a word is not known": lambda d: d["flows"][0].update(judgement="fine"),
    "a reach is not known": lambda d: d["flows"][0].update(observed="ajar"),
    "a kind is not known": lambda d: d["endpoints"][0].update(kind="guess"),
    "a verdict is not known": lambda d: d["verdict"].update(word="probably"),
    "another version": lambda d: d.update(schema_version="1"),
    "a number is a text": lambda d: d.update(duration_ms="12"),
    "a text is a number": lambda d: d["project"].update(name=12),
    "a list is null": lambda d: d.update(flows=None),
    "a position is negative": lambda d: d["flows"][0].update(vantage=-1),
    "a member more": lambda d: d.update(comment="trust me"),
    "a member more inside": lambda d: d["flows"][0].update(weight=1),
    "a boolean is a number": lambda d: d["flows"][0].update(drift=0),
}


def document(name: str = "tolerated") -> dict[str, Any]:
    built: dict[str, Any] = json.loads(canonical(PROOFS[name]()))
    return built


def is_proof(text: bytes) -> bool:
    """Whether a text is a canonical proof: it must encode to the same bytes."""
    try:
        return canonical(parse(text)) == text
    except msgspec.ValidationError:
        return False


def test_the_published_schema_is_that_of_the_code() -> None:
    published = (DOCS / "proof.schema.json").read_text()

    assert published == render("proof"), "python -m cloison.reports.json_schema proof > docs/proof.schema.json"


def test_the_schema_is_printed_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cloison.reports.json_schema")
    monkeypatch.setattr(sys, "argv", ["json_schema", "proof"])
    runpy.run_module("cloison.reports.json_schema", run_name="__main__")

    assert capsys.readouterr().out == render("proof")


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", sorted(PROOFS))
def test_every_proof_is_valid(name: str) -> None:
    VALIDATOR.validate(document(name))
    assert is_proof(canonical(PROOFS[name]()))


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_proof_is_refused_by_the_schema_and_by_the_reader(change: Change) -> None:
    altered = document()
    change(altered)

    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(altered)
    with pytest.raises(msgspec.ValidationError):
        parse(json.dumps(altered).encode())


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(comment="trust me"),
        lambda d: d["flows"][0].update(weight=1),
    ],
    ids=["at the top", "inside"],
)
def test_a_document_with_an_unknown_member_is_no_proof(change: Change) -> None:
    altered = document()
    change(altered)

    assert not is_proof(json.dumps(altered, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def test_a_flow_that_refers_to_no_endpoint_is_refused() -> None:
    altered = document()
    altered["flows"][0]["endpoint"] = 10**6

    with pytest.raises(msgspec.ValidationError, match="does not have"):
        parse(json.dumps(altered).encode())


def test_other_bytes_of_the_same_document_are_not_the_proof() -> None:
    assert not is_proof(json.dumps(document(), indent=2).encode())
    assert not is_proof(canonical(PROOFS["tolerated"]()) + b"\n")


@pytest.mark.parametrize("name", sorted(PROOFS))
def test_a_proof_survives_a_round_trip(name: str) -> None:
    proof = PROOFS[name]()

    assert parse(canonical(proof)) == proof


def test_the_canonical_bytes_are_known() -> None:
    proof = msgspec.convert(SMALL, Proof)

    assert canonical(proof).decode() == VECTOR
    assert digest(proof) == NAME


def test_the_order_of_members_does_not_matter_to_the_digest() -> None:
    pairs = list(SMALL.items())
    random.Random(8785).shuffle(pairs)  # noqa: S311  # any order will do, as long as it is the same one tomorrow

    assert list(dict(pairs)) != list(SMALL)
    assert digest(msgspec.convert(dict(pairs), Proof)) == NAME


@pytest.mark.parametrize("name", sorted(PROOFS))
def test_another_implementation_writes_the_same_bytes(name: str) -> None:
    rewritten = json.dumps(document(name), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert rewritten.encode() == canonical(PROOFS[name]())


def test_the_name_of_a_proof_is_the_checksum_of_its_file() -> None:
    proof = PROOFS["tolerated"]()
    written = "".join(REPORTS["json"](proof, RenderOptions())).encode()

    assert hashlib.sha256(written).hexdigest() == digest(proof)


def test_one_changed_letter_changes_the_digest() -> None:
    one = document()
    other = copy.deepcopy(one)
    other["flows"][0]["evidence"] += "."

    assert digest(msgspec.convert(one, Proof)) != digest(msgspec.convert(other, Proof))


def test_the_page_about_the_document_names_every_member_and_every_value() -> None:
    page = (DOCS / "proof.md").read_text()
    definitions: dict[str, Any] = schema()["$defs"]  # type: ignore[assignment]
    members = {name for part in definitions.values() for name in part.get("properties", ())}
    words = {word for part in definitions.values() for word in part.get("enum", ())}

    assert set(Judgement) <= words
    assert {name for name in members | words if f"`{name}`" not in page} == set()
