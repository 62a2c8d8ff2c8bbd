"""The stack with its policy enforced: no toleration is used, and everything that it needs goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.e2e.stack.conftest import ROOT, Stack, soon
from tests.e2e.stack.test_acceptance import (
    containers_are_up_and_healthy,
    from_app_the_database_answers,
    from_proxy_the_application_answers_and_from_the_front_nothing_else,
    port_5000_is_closed_on_the_host_and_from_outside,
    the_page_answers,
)
from tests.e2e.stack.test_proof import COMMAND, cloison, proven

pytestmark = pytest.mark.stack


@contextmanager
def enforced(stack: Stack) -> Iterator[None]:
    """Keep the policy of the stack enforced during the block."""
    watch = [COMMAND, "watch", "--enforce", "--interval", "3600"]
    with subprocess.Popen(watch, cwd=ROOT, env=stack.environment, stdout=subprocess.DEVNULL) as watcher:
        try:
            soon(lambda: cloison(stack, "enforce", "--status").returncode == 0, "the rules stand")
            stack.inside("proxy", "rm", "-f", "/tmp/published-port-answered")  # noqa: S108  # as setup/watch.sh does
            yield
        finally:
            watcher.terminate()
            watcher.wait(60)
            assert cloison(stack, "enforce", "--off").returncode == 0


def test_the_enforced_stack_needs_no_toleration_and_survives_a_restart(stack: Stack) -> None:
    with enforced(stack):
        proof = proven(stack, 0, "--strict")
        assert proof.verdict.word == "proven"
        assert not proof.totals["tolerated"]
        containers_are_up_and_healthy(stack)
        the_page_answers(stack)
        port_5000_is_closed_on_the_host_and_from_outside(stack)
        from_app_the_database_answers(stack)
        from_proxy_the_application_answers_and_from_the_front_nothing_else(stack, guest="shut")

        stack.compose("restart", "db")
        soon(stack.is_whole, "the restarted database is opened again")
        from_app_the_database_answers(stack)
    assert proven(stack, 0).totals["tolerated"], "without enforcement the file leaves something open"
