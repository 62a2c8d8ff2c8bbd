"""The tables after all migrations."""

from sqlalchemy import Engine, inspect


def test_the_tables_are_there(engine: Engine) -> None:
    assert "alembic_version" in inspect(engine).get_table_names()
