"""The removal of proofs and projects."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from tests.ledger import sample_proofs
from tests.ledger.sample_proofs import proof

from ledger.archive import removal
from ledger.archive.store import Archive
from ledger.database import transaction

if TYPE_CHECKING:
    from sqlalchemy import Engine


@pytest.fixture
def archive(engine: Engine) -> Archive:
    sample_proofs.add_project(engine, "shop")
    return Archive(engine)


def remove(engine: Engine, project: str, digest: str) -> None:
    transaction(engine, partial(removal.remove_proof, project=project, digest=digest))


def everything_shown(archive: Archive, project: str) -> Any:
    """Return what the pages show of a project, without the times of arrival."""
    (record,) = archive.projects(frozenset({project}))
    listed = [(one.digest, one.repeats, one.changes, one.word) for one in archive.proofs(project, limit=500).records]
    last = [found and found.digest for found in (record.last, record.changed)]
    return listed, last, record.proofs, record.trend, archive.intervals(project)


def test_after_a_removal_everything_is_as_if_the_proof_had_not_been_sent(archive: Archive, engine: Engine) -> None:
    chance = random.Random(7)  # noqa: S311 - the same stories each time
    for number in range(30):
        stories = [
            {place: chance.choice(["open", "shut"]) for place in ("app", "proxy", "job") if chance.random() < 0.7}
            for _ in range(6)
        ]
        sent = [proof(minute, **(story or {"outside": "shut"})) for minute, story in enumerate(stories)]
        gone = chance.sample(range(6), k=chance.randint(1, 3))
        with_all, without = f"with-all-{number}", f"without-{number}"
        sample_proofs.add_project(engine, with_all, without)
        digests = [archive.save(with_all, one, other_name=True).digest for one in sent]
        for position, one in enumerate(sent):
            if position not in gone:
                archive.save(without, one, other_name=True)
        for position in gone:
            remove(engine, with_all, digests[position])

        assert everything_shown(archive, without) == everything_shown(archive, with_all)


def test_a_removed_proof_is_gone_and_may_be_sent_again(archive: Archive, engine: Engine) -> None:
    kept = archive.save("shop", proof(app="open"))
    remove(engine, "shop", kept.digest)

    assert archive.body("shop", kept.digest) is None
    assert ([], [None, None], 0, (), []) == everything_shown(archive, "shop")
    assert archive.save("shop", proof(app="open")).is_new
    for project, digest in (("shop", "0" * 64), ("shop", "?"), ("nobody", kept.digest)):
        with pytest.raises(LookupError):
            remove(engine, project, digest)


def test_a_removed_project_leaves_no_row_and_no_other_loses_one(
    archive: Archive, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "BATCH", 3)
    sample_proofs.add_project(engine, "other")
    for project in ("shop", "other"):
        for minute in range(8):
            archive.save(project, proof(minute, app="open" if minute % 2 else "shut"), other_name=True)
    expected = everything_shown(archive, "other")
    recorded: list[int] = []

    assert 8 == removal.remove_project(engine, "shop", lambda _, proofs: recorded.append(proofs))
    assert [8] == recorded
    assert expected == everything_shown(archive, "other")
    assert ["other"] == [record.name for record in archive.projects(None)]
    with engine.connect() as connection:
        for table, rows in (("proof", 8), ("document", 8), ("door", 1), ("spell", 8)):
            assert rows == connection.scalar(text(f"SELECT COUNT(*) FROM {table}"))  # noqa: S608 - a constant
    with pytest.raises(LookupError, match="shop"):
        removal.remove_project(engine, "shop", lambda _, proofs: recorded.append(proofs))
