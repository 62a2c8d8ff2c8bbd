"""The HTTP API, tested through its routes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import random
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pymysql
import pytest
from flask import Flask, request
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError
from tests.ledger.sample_proofs import OPEN, add_project, document, proof
from tests.ledger.sample_proofs import body as body_of
from werkzeug.serving import WSGIRequestHandler, make_server

from ledger import api, authorization, errors, upload_limit
from ledger.archive.store import Archive
from ledger.authorization import Principal
from ledger.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient
    from sqlalchemy import Engine

ROOT = Path(__file__).parents[3]
LIMIT = 100_000
TOKENS = {
    "both": Principal("both", is_user=False, reads=frozenset({"shop"}), writes=frozenset({"shop"})),
    "reads": Principal("reads", is_user=False, reads=frozenset({"shop"})),
    "writes": Principal("writes", is_user=False, writes=frozenset({"shop"})),
}
BOTH = {"Authorization": "Bearer both"}
TWO = proof(0, app="shut"), proof(1, app="open")


@pytest.fixture
def app(engine: Engine) -> Flask:
    """The API alone, with tokens that are their own names."""
    app = Flask("ledger")  # where the error page is
    app.config["SETTINGS"] = replace(Settings.from_environment({}), proof_limit=LIMIT)
    app.extensions["archive"] = Archive(engine)
    add_project(engine, "shop")
    app.register_blueprint(api.bp)
    errors.init_app(app)
    authorization.init_app(app, lambda: TOKENS.get(request.headers.get("Authorization", "").removeprefix("Bearer ")))
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def send(client: FlaskClient, body: bytes, **headers: str) -> Any:
    return client.post(
        "/api/v1/proofs", data=body, headers={**BOTH, **{n.replace("_", "-"): v for n, v in headers.items()}},
        content_type=headers.pop("type", "application/json"),
    )  # fmt: skip


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_a_proof_is_created_once(client: FlaskClient) -> None:
    first, second = send(client, proof(app="open")), send(client, proof(app="open"))

    assert (201, 200) == (first.status_code, second.status_code)
    assert first.json["digest"] == second.json["digest"]
    assert client.get(first.headers["Location"], headers=BOTH).data == proof(app="open")


@pytest.mark.parametrize(("came_to_pass", "again"), [("commit", 200), ("rollback", 201)])
def test_a_proof_whose_commit_was_lost_can_be_sent_again(
    client: FlaskClient, engine: Engine, came_to_pass: str, again: int
) -> None:
    lost = iter([pymysql.err.OperationalError(2013, "Lost connection to server during query")])

    @event.listens_for(engine, "commit")
    def _lose(connection: Connection) -> None:
        for error in lost:
            getattr(connection.connection, came_to_pass)()
            raise OperationalError("COMMIT", {}, error)

    first, second = send(client, proof(app="open")), send(client, proof(app="open"))

    assert (503, again) == (first.status_code, second.status_code)
    assert 1 == len(got(client, "proofs")["proofs"])


def test_a_packed_proof_is_the_same_proof(client: FlaskClient) -> None:
    plain = send(client, proof(app="open"))
    packed = send(client, gzip.compress(proof(app="open")), Content_Encoding="gzip")

    assert 200 == packed.status_code
    assert plain.json["digest"] == packed.json["digest"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {}, 422),
        (b"not json", {}, 422),
        (b"", {}, 422),
        (b"x" * (LIMIT + 1), {}, 413),
        (gzip.compress(b" " * 10_000_000), {"Content_Encoding": "gzip"}, 413),
        (gzip.compress(b"{}")[:-4], {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b"{}") + b"more", {"Content_Encoding": "gzip"}, 400),
        (b"{}", {"Content_Encoding": "gzip"}, 400),
        (b"{}", {"Content_Encoding": "br"}, 415),
        (b"{}", {"type": "text/plain"}, 415),
    ],
)
def test_an_invalid_proof_gets_a_message(
    client: FlaskClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = send(client, body, **headers)

    assert status == answer.status_code
    assert answer.json["error"]["detail"]


def test_a_body_that_is_cut_off_is_refused(client: FlaskClient) -> None:
    whole = proof(app="open")
    answer = client.post(
        "/api/v1/proofs",
        input_stream=io.BytesIO(whole[:-20]),
        headers=BOTH,
        environ_overrides={"CONTENT_LENGTH": str(len(whole))},
        content_type="application/json",
    )

    assert 400 == answer.status_code


@pytest.mark.parametrize(
    ("method", "token", "status"),
    [
        ("get", "writes", 403),
        ("post", "reads", 403),
        ("get", "none", 401),
        ("post", "none", 401),
        ("get", "reads", 200),
    ],
)
def test_a_token_has_only_its_access(client: FlaskClient, method: str, token: str, status: int) -> None:
    answer = getattr(client, method)("/api/v1/proofs", headers={"Authorization": f"Bearer {token}"})

    assert status == answer.status_code


def test_a_proof_never_changes(client: FlaskClient) -> None:
    name = send(client, proof(app="open")).json["digest"]
    again = client.get(f"/api/v1/proofs/{name}", headers={**BOTH, "If-None-Match": f'"{name}"'})

    assert 304 == again.status_code
    assert 404 == client.get(f"/api/v1/proofs/{'0' * 64}", headers=BOTH).status_code


def got(client: FlaskClient, path: str) -> Any:
    return client.get(f"/api/v1/{path}", headers=BOTH).json


def test_two_proofs_are_compared(client: FlaskClient) -> None:
    old = send(client, proof(0, app="shut", proxy="open")).json["digest"]
    new = send(client, proof(1, app="open", proxy="shut")).json["digest"]
    found = got(client, f"proofs/{new}/since/{old}")

    assert (["app"], ["proxy"], []) == tuple(
        [change["source"] for change in found[kind]] for kind in ("opened", "closed", "changed")
    )
    assert "breach" == found["opened"][0]["after"]["judgement"]


def test_proofs_and_intervals_are_listed_as_json(client: FlaskClient) -> None:
    for minute, state in enumerate(["shut", "open"]):
        send(client, proof(minute, app=state))
    listed = got(client, "proofs?limit=1")
    rest = got(client, f"proofs?before={listed['next']}&changes=1")
    reached = got(client, "doors?target=db&observed=open&at=2026-01-01T00:01:00Z")

    assert ["2026-01-01T00:01:00.000Z"] == [line["started"] for line in listed["proofs"]]
    assert (1, None) == (len(rest["proofs"]), rest["next"])
    assert [("app", 3306, None)] == [(item["source"], item["port"], item["until"]) for item in reached["doors"]]


@pytest.mark.parametrize(
    "query",
    [
        "proofs?limit=0", "proofs?limit=many", "proofs?limit=501", "proofs?before=x", "proofs?changes=yes",
        "proofs?page=2", "doors?port=70000", "doors?protocol=icmp", "doors?observed=ajar", "doors?at=noon",
        "doors?at=2026-01-01T00:00:00", "doors?offset=-1",
    ],
)  # fmt: skip
def test_a_wrong_parameter_gets_a_sentence(client: FlaskClient, query: str) -> None:
    answer = got(client, query)["error"]

    assert 400 == answer["status"]
    assert answer["detail"].partition(":")[0] in query


@pytest.fixture
def served(app: Flask, client: FlaskClient) -> Iterator[str]:
    """Return where the API listens, with two proofs in it."""
    for body in TWO:
        send(client, body)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    listening = threading.Thread(target=server.serve_forever)
    listening.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    listening.join()
    server.server_close()


class Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing."""


def test_the_api_conforms_to_its_openapi_document(served: str, tmp_path: Path) -> None:
    known = (f'{name} = "{digest(body)}"\n' for name, body in zip(("earlier", "digest"), TWO, strict=True))
    form = tmp_path / "schemathesis.toml"
    form.write_text("[parameters]\n" + "".join(known) + (ROOT / "schemathesis.toml").read_text(encoding="utf-8"))
    tool = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(form), "run"]
    limits = ["--max-examples=20", "--seed=20", "--generation-database=none", "--no-color"]
    found = subprocess.run(
        [*tool, f"{served}/api/v1/openapi.json", *limits, "--header=Authorization: Bearer both"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=240,
    )

    assert 0 == found.returncode, found.stdout[-8000:]
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in found.stdout


def test_every_route_is_described(app: Flask) -> None:
    assert set(msgspec.json.decode(api.DESCRIPTION)["paths"]) == {
        rule.rule.replace("<string(length=64):", "{").replace(">", "}")
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
    }


def with_notes(*notes: str) -> bytes:
    parts = [note[at : at + 16_384] for note in notes for at in range(0, len(note), 16_384)]  # a note's bound
    return body_of(document({("app", "db", 3306): OPEN}) | {"notes": parts})


def test_a_large_proof_waits_for_another_and_a_small_one_does_not(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_limit, "TIMEOUT", 0.05)
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], proof_limit=4 * upload_limit.LARGE_BYTES)
    big = with_notes("x" * 2 * upload_limit.LARGE_BYTES)
    with upload_limit.upload_slot() as taken:
        taken.acquire_for(None)
        plain = send(client, big)
        packed = send(client, gzip.compress(big), Content_Encoding="gzip")
        small = send(client, proof(app="open"))

    assert (429, 429, 201) == (plain.status_code, packed.status_code, small.status_code)
    assert [201, 200, 200] == [
        send(client, big).status_code,
        send(client, big).status_code,
        send(client, gzip.compress(big), Content_Encoding="gzip").status_code,
    ]


def test_a_proof_that_cannot_be_compressed_fits_into_a_statement(app: Flask, client: FlaskClient) -> None:
    packet = 16 << 20  # what a server takes that nobody told otherwise
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], proof_limit=2 * packet)
    noise = base64.b85encode(random.Random(20).randbytes(packet + 100_000)).decode()  # noqa: S311
    kept = send(client, with_notes(noise))

    assert 201 == kept.status_code
    assert with_notes(noise) == client.get(kept.headers["Location"], headers=BOTH).data


def test_the_largest_proof_fits_into_a_statement(engine: Engine) -> None:
    with engine.connect() as connection:
        packet = connection.scalar(text("SELECT @@max_allowed_packet"))

    assert packet >= 2 * int(DEFAULTS["LEDGER_PROOF_LIMIT"])
