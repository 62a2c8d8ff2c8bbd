"""A throw-away database of the stack's image, filled with the proofs of a year.

Output: a pool of connections. Rules: the proofs that change something are different documents, and are added as those
of a client are. Those that repeat them are rows that the database copies, because 300,000 requests would take an hour;
the oldest of them have documents too, so that retention has something to delete.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from bench.measure import ROOT, run, say

sys.path.insert(0, str(ROOT / "app"))
from tests.ledger import sample_proofs

from ledger.accounts import projects
from ledger.archive.store import Archive
from ledger.database import engine_for, transaction
from ledger.migrate import migrate
from ledger.settings import Settings

PROJECT: Final = "shop"
SERVICES: Final = 40
PORT: Final = 3306
BEGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)
STEP: Final = timedelta(seconds=105)  # 300,000 of them are a year
CHANGED: Final = 300  # proofs that change something
REPEATS: Final = 999  # after each of them
FLAPPING: Final = 10  # connections that each of them changes
WITH_DOCUMENTS: Final = 5  # changed proofs whose repeats have documents
START_LIMIT: Final = 120.0  # seconds

SELECT_PROOF: Final = text("SELECT f.id FROM project p JOIN proof f ON f.project_id = p.id AND f.digest = :digest")
COPY_PROOF: Final = text(
    "INSERT INTO proof (project_id, digest, word, exit_code, started, received, duration_ms, tool, engine, machine,"  # noqa: S608 - a number of this module
    " compose_project, totals, state, repeats, changes) SELECT project_id, UNHEX(SHA2(CONCAT(id, '-', seq), 256)),"
    " word, exit_code, started + INTERVAL seq * :step SECOND, received, duration_ms, tool, engine, machine,"
    f" compose_project, totals, state, 1, 0 FROM proof JOIN seq_1_to_{REPEATS} WHERE id = :id"
)
COPY_DOCUMENT: Final = text(
    "INSERT INTO document (proof_id, body, size) SELECT p.id, d.body, d.size FROM proof p JOIN document d"
    " ON d.proof_id = :id WHERE p.project_id = (SELECT project_id FROM proof WHERE id = :id) AND p.id > :id"
    " AND (:all OR p.id = (SELECT MAX(id) FROM proof))"  # the next proof is compared with the last
)


@contextmanager
def database() -> Iterator[Engine]:
    """Run a migrated database on a volume of its own during the block."""
    image = json.loads(run("docker", "compose", "config", "--format", "json"))["services"]["db"]["image"]
    configuration = f"{ROOT / 'db' / 'server.cnf'}:/etc/mysql/conf.d/server.cnf:ro"
    given = {
        "DATABASE": "ledger",
        "USER": "ledger",
        "PASSWORD": "of-the-benchmark",
        "ROOT_PASSWORD": "of-the-benchmark",
    }
    words = [f"--env=MARIADB_{name}={value}" for name, value in given.items()]
    container = run(
        "docker", "run", "--detach", f"--label=cloison.bench={os.getpid()}", f"--volume={configuration}",
        "--volume=/var/lib/mysql", *words, image,
    ).strip()  # fmt: skip
    try:
        address = run("docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", container).strip()
        with TemporaryDirectory() as folder:
            secret = Path(folder) / "password"
            secret.write_text(given["PASSWORD"], encoding="utf-8")
            variables = {"LEDGER_DB_HOST": address, "LEDGER_DB_PASSWORD_FILE": str(secret), "LEDGER_DB_TIMEOUT": "120"}
            engine = engine_for(Settings.from_environment(variables))
            _migrate(engine)
            yield engine
            engine.dispose()
    finally:
        run("docker", "rm", "--force", "--volumes", container)


def _migrate(engine: Engine) -> None:
    """Make the tables as soon as the database answers."""
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            return migrate(engine)
        except (SQLAlchemyError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def document(number: int) -> bytes:
    """Return the proof of a time: all pairs of services, of which FLAPPING, and one to the database, are open."""
    names = [f"service-{index}" for index in range(SERVICES - 1)] + ["db"]
    pairs = [(source, target, PORT) for source in names for target in names if source != target]
    chance = random.Random(number)  # noqa: S311 - the same database each time
    connections = dict.fromkeys(pairs, sample_proofs.CLOSED_PORT)
    connections |= dict.fromkeys(chance.sample(pairs, FLAPPING), sample_proofs.OPEN)
    connections[chance.choice(names[:-1]), "db", PORT] = sample_proofs.OPEN
    content = sample_proofs.document(connections, project=PROJECT)
    started = BEGIN + number * (REPEATS + 1) * STEP
    return sample_proofs.body(content | {"started": started.strftime("%Y-%m-%dT%H:%M:%S.000Z")})


def fill(engine: Engine) -> Archive:
    """Add the proofs of a year, and return the archive."""
    archive = Archive(engine)
    transaction(engine, lambda connection: projects.add(connection, PROJECT, BEGIN.replace(tzinfo=None)))
    for number in range(CHANGED):
        digest = archive.save(PROJECT, document(number)).digest
        transaction(engine, partial(_repeat, digest=digest, has_documents=number < WITH_DOCUMENTS))
        if number % 50 == 0:
            say(f"{(number + 1) * (REPEATS + 1):,} proofs of {SERVICES} services")
    with engine.begin() as connection:
        for table in inspect(engine).get_table_names():
            connection.exec_driver_sql(f"ANALYZE TABLE `{table}`")
    return archive


def _repeat(connection: Connection, *, digest: str, has_documents: bool) -> None:
    changed = connection.scalar(SELECT_PROOF, {"digest": bytes.fromhex(digest)})
    connection.execute(COPY_PROOF, {"id": changed, "step": int(STEP.total_seconds())})
    connection.execute(COPY_DOCUMENT, {"id": changed, "all": has_documents})
    connection.execute(
        text(
            "UPDATE project SET proofs = proofs + :more, last_proof ="
            " (SELECT id FROM proof WHERE project_id = project.id ORDER BY started DESC, id DESC LIMIT 1)"
        ),
        {"more": REPEATS},
    )
