"""The health endpoints."""

from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from tests.ledger.unit.conftest import FakeDatabase


def test_healthz_does_not_depend_on_the_database(client: "FlaskClient", database: "FakeDatabase") -> None:
    database.trouble = ConnectionError()

    assert client.get("/healthz").json == {"status": "alive"}


def test_readyz_is_ready_when_the_database_answers(client: "FlaskClient") -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json) == (200, {"status": "ready"})


def test_readyz_is_not_ready_when_the_database_refuses(client: "FlaskClient", database: "FakeDatabase") -> None:
    database.trouble = OperationalError("SELECT 1", {}, Exception("host 198.51.100.7"))

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "198.51.100.7" not in answer.text


def test_readyz_is_not_ready_when_the_database_is_too_slow(client: "FlaskClient", database: "FakeDatabase") -> None:
    database.slow.clear()

    answer = client.get("/readyz")
    database.slow.set()

    assert answer.status_code == 503
    assert answer.json["reason"] == "the database did not answer in time"  # type: ignore[index]
