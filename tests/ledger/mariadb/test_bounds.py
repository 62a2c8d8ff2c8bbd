"""Every value that the schema allows is stored and shown; any other is refused with the name of its member."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.ledger.mariadb.accounts.conftest import QUICK, SampleLedger
from tests.ledger.sample_proofs import CLOSED_PORT, OPEN, add_project, body, document

from ledger import api, create_app
from ledger.accounts.passwords import Passwords
from ledger.archive.validate import PROOF_SCHEMA

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

SCHEMA = msgspec.json.decode((api.HERE / "archive" / "proof.schema.json").read_bytes())
LETTERS = ["a", " ", "\0", "\x1b", "é", "中", "😀", "\ufffe", "'", "%", ":x", "\\", "<"]
STATES = {("app", "db", 3306): OPEN, ("proxy", "db", 3306): CLOSED_PORT}


def sample() -> dict[str, Any]:
    """Return a proof with an item in every list."""
    found = document(STATES)
    found["project"]["services"] = [{"name": "app", "networks": ["shop_net"], "replicas": 1}]
    found["project"]["networks"] = [
        {"name": "shop_net", "key": "net", "driver": "bridge", "internal": True, "external": False}
    ]
    found["policy"] = {
        "allow": ["app -> db"],
        "tolerate": [{"what": "app -> db", "why": "it is so", "keep": True}],
        "groups": {"inner": ["app"]},
    }
    found["findings"] = [dict.fromkeys(("what", "where", "sentence", "evidence", "source"), "a finding")]
    found["notes"] = ["a note"]
    found["advice"] = [{"sentence": "close it", "flows": [0]}]
    found["in_use"] = [{"source": "app", "target": "db", "protocol": "tcp", "port": 3306, "connections": 1}]
    found["learned"] = {"since": found["started"], "watched_s": 60, "last_used": {"allow[0]": found["started"]}}
    found["deadline_ms"] = 5000
    return found


Path = tuple[str | int, ...]


def members(value: Any, schema: dict[str, Any], path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the path and the schema of every member of a document."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        yield from members(value, schema, path)
        return
    yield path, schema
    if isinstance(value, dict):
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name) or schema["additionalProperties"]
            yield from members(item, inner, (*path, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from members(item, schema["items"], (*path, position))


MEMBERS = list(members(sample(), SCHEMA))


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values at the bounds of a member, on both sides."""
    if schema.get("type") == "integer":
        ends = {schema["minimum"], schema["maximum"]}
        return st.sampled_from(sorted({end + step for end in ends for step in (-1, 0, 1)} | {2**63, 2**64}))
    if schema.get("type") == "string" and "maxLength" in schema:
        most = schema["maxLength"]
        return st.builds(
            lambda letter, length, last: (letter * length)[: max(length - 1, 0)] + last[:length],
            st.sampled_from(LETTERS),
            st.sampled_from([0, 1, most - 1, most, most + 1]),
            st.sampled_from(LETTERS),
        )
    if "enum" in schema:
        return st.sampled_from([*schema["enum"], "", schema["enum"][0] + " "])
    return st.sampled_from([[], {}, None, True, "", "tcp ", "2026-02-30T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])


def changed(path: Path, value: Any) -> dict[str, Any]:
    """Return the sample with another value of a member."""
    found = copy.deepcopy(sample())
    if not path:
        return value if isinstance(value, dict) else found
    at: Any = found
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return found


@pytest.fixture
def ledger(engine: Engine) -> SampleLedger:
    add_project(engine, "shop")
    made = SampleLedger(create_app({"ENGINE": engine, "PASSWORDS": Passwords(QUICK)}), engine)
    made.add("ada", is_administrator=True)
    return made


def send(client: FlaskClient, token: str, proof: dict[str, Any]) -> Any:
    return client.post(
        "/api/v1/proofs",
        data=body(proof),
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        content_type="application/json",
        query_string={"as": "shop"},
    )


def test_every_member_of_the_schema_is_tried() -> None:
    named = {(name, member) for name, part in SCHEMA["$defs"].items() for member in part.get("properties", {})}
    tried = {str(path[-1]) for path, _ in MEMBERS if path}

    assert {member for _, member in named} - tried == {"origin", "via"}  # absent where they have their default


def test_no_value_at_the_bounds_of_a_member_is_an_error_of_the_ledger(ledger: SampleLedger) -> None:
    token, browser = ledger.token("shop", "both", may_read=True, may_write=True), ledger.browser_of("ada")
    client = ledger.app.test_client()

    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(st.sampled_from(MEMBERS).flatmap(lambda member: st.tuples(st.just(member[0]), values(member[1]))))
    def tried(case: tuple[Path, Any]) -> None:
        proof = changed(*case)
        answer = send(client, token, proof)

        assert answer.status_code in {200, 201, 422}, answer.text
        if answer.status_code == 422:
            assert answer.json["error"]["detail"]
            return
        page = answer.headers["Location"].replace("/api/v1", "/projects/shop")
        for path in (page, "/projects", "/projects/shop", "/projects/shop/doors"):
            assert browser.get(path).status_code == 200, path
        assert client.get("/api/v1/doors", headers={"Authorization": f"Bearer {token}"}).status_code == 200

    tried()


def test_names_that_differ_in_a_space_are_two_names(ledger: SampleLedger) -> None:
    states = {("app", "db", 3306): OPEN, ("app", "db ", 3306): CLOSED_PORT}
    token = ledger.token("shop", "both", may_read=True, may_write=True)

    assert send(ledger.app.test_client(), token, document(states)).status_code == 201
    assert ["db", "db "] == [found.target for found in ledger.app.extensions["archive"].intervals("shop")]
    assert ["db "] == [found.target for found in ledger.app.extensions["archive"].intervals("shop", target="db ")]


@pytest.mark.parametrize("name", ["shop%20", "sh%C3%B6p", "shop%00", "%F0%9F%98%80", "x" * 300])
def test_a_name_that_no_project_has_is_not_found(ledger: SampleLedger, name: str) -> None:
    browser = ledger.browser_of("ada")

    for page in ("", "/proofs", f"/proofs/{'0' * 64}", "/doors", "/diff"):
        assert browser.get(f"/projects/{name}{page}").status_code == 404, page
    for page in (f"/badge/{name}.svg", f"/admin/users/{name}", f"/admin/projects/{name}/remove"):
        assert browser.get(page).status_code == 404, page
    assert browser.get(f"/admin/tokens?project={name}").status_code == 200
    assert ledger.browser("192.0.2.7").log_in(unquote(name)).status_code == 422


REJECTED_VALUES = {
    "too long": ("target", "VARCHAR(1) COLLATE utf8mb4_nopad_bin", "endpoints/place"),
    "another alphabet": ("source", "VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin", "vantages/place"),
    "out of range": ("port", "TINYINT UNSIGNED", "endpoints/service_port"),
    "given twice": ("target", "VARCHAR(255) COLLATE utf8mb4_bin", "endpoints/place"),
}


@pytest.mark.parametrize(("column", "kind", "member"), REJECTED_VALUES.values(), ids=REJECTED_VALUES)
def test_what_the_database_refuses_is_told_by_the_name_of_its_member(
    ledger: SampleLedger, engine: Engine, column: str, kind: str, member: str
) -> None:
    states = {("app", "db", 3306): OPEN, ("appé", "db ", 3306): CLOSED_PORT, ("appé", "db", 3306): CLOSED_PORT}
    states[("app", "db ", 3306)] = OPEN
    token = ledger.token("shop", "both", may_read=True, may_write=True)
    with engine.connect() as connection:
        create = connection.execute(text("SHOW CREATE TABLE door")).one()[1]
    original = next(line.strip(" ,") for line in create.splitlines() if line.strip().startswith(f"`{column}`"))
    try:
        with engine.connect() as connection:
            connection.execute(text(f"ALTER TABLE door MODIFY {column} {kind} NOT NULL"))
        answer = send(ledger.app.test_client(), token, document(states))
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"ALTER TABLE door MODIFY {original}"))

    assert 422 == answer.status_code, answer.text
    assert answer.json["error"]["detail"].startswith(f"{member}: the database cannot store this value")
    assert () == ledger.app.extensions["archive"].proofs("shop").records
    assert send(ledger.app.test_client(), token, document(states)).status_code == 201


def test_a_message_names_the_member_and_not_its_value() -> None:
    proof = changed(("machine", "name"), "x" * 256)
    (error,) = PROOF_SCHEMA.iter_errors(proof)

    assert "The value is longer than 255 characters" == error.message
    assert ["machine", "name"] == error.instance_path
