"""Migrations keep the data of older versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import event, text
from tests.ledger.sample_proofs import add_project, proof

import ledger
from ledger.archive.store import Archive
from ledger.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from sqlalchemy import Connection, Engine


def migrated(connection: Connection, way: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(ledger.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    getattr(command, way)(config, revision)


@pytest.fixture
def downgraded(engine: Engine) -> Iterator[Engine]:
    """Return a database that an older version made, and bring it up to date afterwards."""
    yield engine
    with engine.connect() as connection:
        migrated(connection, "upgrade", "head")


def test_the_visits_of_the_first_version_survive(downgraded: Engine) -> None:
    with downgraded.connect() as connection:
        migrated(connection, "downgrade", "0001")
        connection.execute(text("UPDATE visits SET seen = 40 + shard"))
        connection.commit()
        migrated(connection, "upgrade", "head")

        assert [40 + shard for shard in range(16)] == list(
            connection.scalars(text("SELECT seen FROM visits ORDER BY shard"))
        )


def test_proofs_survive_what_comes_after_them(downgraded: Engine) -> None:
    archive = Archive(downgraded)
    add_project(downgraded, "shop")
    kept = [archive.save("shop", proof(minute, app=state)).digest for minute, state in enumerate(["open", "shut"])]
    intervals = archive.intervals("shop")
    with downgraded.connect() as connection:
        migrated(connection, "downgrade", "0002")
        migrated(connection, "upgrade", "head")

    assert kept[::-1] == [record.digest for record in archive.proofs("shop").records]
    assert intervals == archive.intervals("shop")
    assert [proof(0, app="open"), proof(1, app="shut")] == [archive.body("shop", digest) for digest in kept]


def test_a_migration_that_was_cut_off_goes_on(downgraded: Engine) -> None:
    with downgraded.connect() as connection:
        migrated(connection, "downgrade", "0001")
        connection.execute(text("CREATE TABLE project LIKE visits"))  # another's half-made work is not touched
        connection.execute(text("DROP TABLE project"))
        migrated(connection, "upgrade", "0002")
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        connection.commit()
        migrated(connection, "upgrade", "head")

        assert connection.scalar(text("SELECT COUNT(*) FROM proof")) == 0


def test_the_revision_is_committed_before_another_replica_may_migrate(downgraded: Engine) -> None:
    seen: list[str | None] = []

    def look(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "RELEASE_LOCK" in statement:
            with downgraded.connect() as other:
                seen.append(other.scalar(text("SELECT version_num FROM alembic_version")))

    with downgraded.connect() as connection:
        newest = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.commit()
        migrated(connection, "downgrade", "0002")
    event.listen(downgraded, "before_cursor_execute", look)
    try:
        migrate(downgraded)
    finally:
        event.remove(downgraded, "before_cursor_execute", look)

    assert seen == [newest]
    with downgraded.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM account")) == 0
