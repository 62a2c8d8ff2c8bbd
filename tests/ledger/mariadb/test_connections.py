"""Connections to the database: what a query sends, and that no transaction is left open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, text
from tests.ledger.sample_proofs import add_project

from ledger import database
from ledger.database import reader, transaction

if TYPE_CHECKING:
    from sqlalchemy import Engine


def projects(connection: Connection) -> int:
    return connection.scalar(text("SELECT COUNT(*) FROM project")) or 0


def statements(engine: Engine) -> int:
    """Return the number of statements that the one connection of the pool has sent."""
    with reader(engine).connect() as connection:
        row = connection.execute(text("SHOW SESSION STATUS LIKE 'Questions'")).one()
    return int(row[1])


def test_a_query_of_a_reader_is_one_statement(engine: Engine) -> None:
    before = statements(engine)
    with reader(engine).connect() as connection:
        projects(connection)

    assert before + 2 == statements(engine)


def test_what_is_not_committed_is_rolled_back(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO project (name, created, badge_key) VALUES ('a', NOW(), 'a')"))

        assert 1 == projects(connection)

    def fail(connection: Connection) -> None:
        connection.execute(text("INSERT INTO project (name, created, badge_key) VALUES ('b', NOW(), 'b')"))
        raise KeyError

    with pytest.raises(KeyError):
        transaction(engine, fail)
    with reader(engine).connect() as connection:
        assert 0 == projects(connection)


def test_a_connection_that_the_server_closed_is_replaced(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    add_project(engine, "shop")
    with reader(engine).connect() as connection, reader(engine).connect() as other:
        number = connection.scalar(text("SELECT CONNECTION_ID()"))
        other.exec_driver_sql(f"KILL {number}")
    monkeypatch.setattr(database, "TESTED_AFTER", 0.0)

    with reader(engine).connect() as connection, reader(engine).connect() as other:
        assert [1, 1] == [projects(connection), projects(other)]
