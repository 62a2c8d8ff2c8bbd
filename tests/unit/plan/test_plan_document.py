"""The plan document as other tools read it: its schema, its bytes and its digest."""

from __future__ import annotations

import hashlib
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jsonschema
import msgspec
import pytest
from tests.unit.plan.sample_plans import PLANS

from cloison.plan.schema import parse, schema
from cloison.proof import schema as proof_schema
from cloison.proof.schema import canonical, digest
from cloison.reports.json_schema import render

DOCS: Final = Path(__file__).parents[3] / "docs"
VALIDATOR: Final = jsonschema.Draft202012Validator(schema())
Change = Callable[[dict[str, Any]], object]
REFUSED: Final[dict[str, Change]] = {
    "a member is missing": lambda d: d.pop("verdict"),
    "an inner member is missing": lambda d: d["flows"][0].pop("reason"),
    "a word is not known": lambda d: d["verdict"].update(word="proven"),
    "a flow was seen": lambda d: d["flows"][0].update(observed="open"),
    "a kind is not known": lambda d: d["remarks"][0].update(kind="rumour"),
    "another version": lambda d: d.update(schema_version="1"),
    "a moment": lambda d: d.update(started="2026-01-02T03:04:05.678Z"),
    "a position is negative": lambda d: d["flows"][0].update(vantage=-1),
    "a list is null": lambda d: d.update(remarks=None),
    "a boolean is a number": lambda d: d["proposal"].update(exact=1),
}


def document(name: str = "breached") -> dict[str, Any]:
    built: dict[str, Any] = json.loads(canonical(PLANS[name]()))
    return built


def test_the_published_schema_is_that_of_the_code() -> None:
    published = (DOCS / "plan.schema.json").read_text()

    assert published == render("plan"), "python -m cloison.reports.json_schema plan > docs/plan.schema.json"


def test_the_schema_is_printed_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cloison.reports.json_schema")
    monkeypatch.setattr(sys, "argv", ["json_schema", "plan"])
    runpy.run_module("cloison.reports.json_schema", run_name="__main__")

    assert capsys.readouterr().out == render("plan")


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_is_valid_and_survives_a_round_trip(name: str) -> None:
    plan = PLANS[name]()

    VALIDATOR.validate(document(name))
    assert plan == parse(canonical(plan))
    assert canonical(parse(canonical(plan))) == canonical(plan)


@pytest.mark.parametrize("name", PLANS)
def test_another_implementation_writes_the_same_bytes(name: str) -> None:
    rewritten = json.dumps(document(name), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert rewritten.encode() == canonical(PLANS[name]())


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_plan_is_refused_by_the_schema_and_by_the_reader(change: Change) -> None:
    altered = document()
    change(altered)

    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(altered)
    with pytest.raises(msgspec.ValidationError):
        parse(json.dumps(altered).encode())


def test_a_flow_that_refers_to_no_endpoint_is_refused() -> None:
    altered = document()
    altered["flows"][0]["endpoint"] = 10**6

    with pytest.raises(msgspec.ValidationError, match="does not have"):
        parse(json.dumps(altered).encode())


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_no_proof(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        proof_schema.parse(canonical(PLANS[name]()))


def test_the_name_of_a_plan_is_the_checksum_of_its_file() -> None:
    plan = PLANS["sound"]()

    assert hashlib.sha256(canonical(plan)).hexdigest() == digest(plan)


def test_the_page_about_the_document_names_every_member_and_every_value() -> None:
    pages = (DOCS / "plan.md").read_text() + (DOCS / "proof.md").read_text()
    definitions: dict[str, Any] = schema()["$defs"]  # type: ignore[assignment]
    members = {name for part in definitions.values() for name in part.get("properties", ())}
    words = {word for part in definitions.values() for word in part.get("enum", ())}

    assert set() == {name for name in members | words if f"`{name}`" not in pages}
