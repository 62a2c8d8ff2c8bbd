"""A database without room: it is said in words, nothing acknowledged is lost, and room again is enough."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import PROJECT, LedgerProject, Stack, run, soon
from tests.e2e.stack.load_generator import writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

NAME = f"{PROJECT}-full"
ROOM = "400m"  # of a new database, what is kept free, and a little
LEFT = 64  # megabytes: less than what is kept
SMALL = {
    "services": {"db": {"mem_limit": "900m"}},  # memory is where the volume of this test is
    "volumes": {
        "db_data": {
            "driver": "local",
            "driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": f"uid=999,gid=999,mode=0750,size={ROOM}"},
        }
    },
}


class Small(Stack):
    """The stack as another project, with a small volume."""

    def name(self, service: str) -> str:
        """Return the name of a container."""
        return f"{NAME}-{service}-1"


@pytest.fixture
def small(session_stack: Stack, tmp_path: Path) -> Iterator[LedgerProject]:
    """Have a second stack with a volume that can be filled, and a project in it."""
    override = tmp_path / "small.json"
    override.write_text(json.dumps(SMALL), encoding="utf-8")
    files = f"{session_stack.environment['COMPOSE_FILE']}:{override}"
    port = os.environ.get("CLOISON_FULL_PORT", "18092")
    own = {"COMPOSE_FILE": files, "COMPOSE_PROJECT_NAME": NAME, "CLOISON_PORT": port}
    stack = Small(session_stack.environment | own)
    try:
        stack.up()
        stack.ledger("add-project", "small")
        yield LedgerProject(stack, "small", stack.ledger("new-token", "small", "tests", "--read", "--write"))
    finally:
        stack.compose("down", "--volumes", "--timeout", "5")


def fill(stack: Stack) -> None:
    """Take the room on the volume, up to a little."""
    free = int(stack.inside("db", "df", "--output=avail", "--block-size=1M", "/var/lib/mysql").split()[-1])
    stack.inside("db", "sh", "-c", 'head -c "${0}M" /dev/zero > /var/lib/mysql/junk', str(free - LEFT))


def test_a_database_without_room_says_so_and_recovers(small: LedgerProject) -> None:
    stack = small.stack
    started = stack.inspect("db")["State"]["StartedAt"]
    with writing(small) as load:
        load.succeeds_after(time.monotonic())
        fill(stack)
        soon(lambda: 507 in load.statuses, "proofs are refused", 30)
        refused = small.send(small.body())
        listed = stack.get("/api/v1/proofs", Authorization=f"Bearer {small.token}")
        run("docker", "exec", stack.name("db"), "rm", "/var/lib/mysql/junk")
        freed = time.monotonic()
        back = load.succeeds_after(freed) - freed
    statuses = set(load.statuses)

    assert refused.status == 507
    assert "no space left" in refused.text
    assert listed.status == 200
    assert statuses == {201, 507}
    assert back < 5
    assert load.acknowledged - small.kept() == set()
    assert stack.inspect("db")["State"]["StartedAt"] == started
