"""Senders killed at every step, and several at once: what was kept arrives once, in order."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from tests.unit.ledger_client import fake_ledger
from tests.unit.ledger_client.conftest import Sender

PROGRAM = Path(__file__).with_name("self_killing_sender.py")
ONE, TWO, THREE, LAST = b'{"n":1}', b'{"n":2}', b'{"n":3}', b'{"n":4}'
STEPS = 60
"""More than a sender of three proofs takes; the run that is not killed ends the search."""
STRIDE = 6 if settings.get_current_profile_name() == "fast" else 1


def name(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()


def start(sender: Sender, number: int, document: bytes) -> subprocess.Popen[bytes]:
    """Start a sender that is killed at this step."""
    state = sender.spool.folder.parent.parent
    words = [sys.executable, str(PROGRAM), str(state), sender.ledger.url, str(number), document.decode()]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL)


def test_killed_at_every_step_nothing_is_lost_or_there_twice(sender: Sender, server: fake_ledger.Ledger) -> None:
    for number in range(1, STEPS, STRIDE):
        server.stored.clear()
        sender.enqueue(ONE, TWO)
        with start(sender, number, THREE) as process:
            code = process.wait(30)
        has_third = name(THREE) in [*sender.queued, *server.stored]
        assert sender.send(LAST)

        assert [name(ONE), name(TWO), *[name(THREE)] * has_third, name(LAST)] == server.stored, f"step {number}"
        assert [] == sender.queued
        assert [] == [*sender.spool.folder.rglob("*.unfinished")]
        assert not (sender.spool.folder / "refused").exists()
        if code == 0:
            break
        assert -9 == code

    assert 20 < number < STEPS - STRIDE


@pytest.mark.parametrize("wrong", [fake_ledger.kill_before_storing, fake_ledger.store_and_kill])
@pytest.mark.parametrize("before", range(3))
def test_killed_while_the_ledger_works_nothing_is_lost_or_there_twice(
    before: int, wrong: fake_ledger.Misbehaviour, sender: Sender, server: fake_ledger.Ledger
) -> None:
    sender.enqueue(ONE, TWO)
    server.misbehaviours = [*[fake_ledger.store] * before, wrong]
    server.always = fake_ledger.slowly
    with start(sender, 0, THREE) as process:
        server.victim = process.pid
        assert -9 == process.wait(30)
    server.always = None

    assert sender.send(LAST)
    assert [name(one) for one in (ONE, TWO, THREE, LAST)] == server.stored
    assert [] == sender.queued


def test_two_senders_at_once_send_everything_once(sender: Sender, server: fake_ledger.Ledger) -> None:
    kept = [one.digest for one in sender.enqueue(*(b"[%d]" % number for number in range(10)))]
    running = [start(sender, 0, b"{%d}" % number) for number in range(4)]
    for process in running:
        with process:
            assert 0 == process.wait(60)

    assert kept == server.stored[:10]
    assert {name(b"{%d}" % number) for number in range(4)} == set(server.stored[10:])
    assert server.stored == server.posted, "nobody sends what another has sent"
    assert [] == sender.queued
