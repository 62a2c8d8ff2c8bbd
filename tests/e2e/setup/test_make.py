"""The targets of make, from beginning to end, on fake machines."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.setup.conftest import FakeMachine

UP = {'"compose up"*': "echo compose-up"}
PORT = "18499"
LEDGER = "localhost/cloison/ledger:latest"


def command(fake_machine: FakeMachine, script: str) -> None:
    """Give the clone's environment a `cloison` command."""
    assert fake_machine.run("setup/python.sh").code == 0
    program = fake_machine.clone / ".venv/bin/cloison"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


# ── make, make up ───────────────────────────────────────────────────────────────────────────────────────────


def test_make_without_a_target_lists_the_targets(fake_machine: FakeMachine) -> None:
    result = fake_machine.run("make")

    verbs = re.findall(r"^  make ([a-z]+) ", result.said, re.MULTILINE)
    more = ["docs", "dist", "image"]
    assert verbs == ["help", "up", "down", "clean", "prove", "test", "soak", "lint", "fmt", "bench", *more]


def test_make_up_ends_with_the_address_of_the_stack(fake_machine: FakeMachine) -> None:
    result = fake_machine.run("make", "up", CLOISON_PORT=PORT)

    assert result.code == 0
    assert result.said.splitlines()[-1] == f"✓ The stack runs: http://localhost:{PORT}"


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, True),
        ({"CLOISON_BIND": "127.0.0.1"}, False),
        ({"CLOISON_PUBLIC_URL": "http://ledger.example.org"}, True),
        ({"CLOISON_PUBLIC_URL": "https://ledger.example.org", "CLOISON_TRUSTED_PROXIES": "192.0.2.1"}, False),
    ],
)
def test_make_up_says_when_a_password_would_cross_a_network_in_clear(
    fake_machine: FakeMachine, settings: dict[str, str], *, warned: bool
) -> None:
    fake_machine.docker(UP)
    words = [f"{name}={value}" for name, value in settings.items()]
    said = fake_machine.run("env", *words, "make", "up", CLOISON_PORT=PORT).said

    assert ("On other machines a password would cross the network in clear. One command gives HTTPS:" in said) == warned
    assert ("CLOISON_PUBLIC_URL=https://" in said) == warned


RECORDED = """echo "$*" >>"$HOME/verbs"
[[ $1 != watch ]] || while :; do sleep 0.1; done"""


def test_make_up_enforces_if_asked_and_make_down_takes_the_rules_away(fake_machine: FakeMachine) -> None:
    fake_machine.docker(UP)
    command(fake_machine, RECORDED)
    result = fake_machine.run("make", "up", "ENFORCE=1", CLOISON_PORT=PORT)
    watcher = Path("/proc", (fake_machine.clone / ".cache/watch.pid").read_text().strip(), "cmdline")
    assert "watch" in watcher.read_text(), "it outlives make"

    assert result.code == 0, result.said
    assert fake_machine.run("make", "down").code == 0
    assert not (fake_machine.clone / ".cache/watch.pid").exists()
    assert not watcher.exists() or not watcher.read_text()
    verbs = (fake_machine.home / "user/verbs").read_text().splitlines()
    address = f"http://localhost:{PORT}"
    assert sorted(verbs[:2]) == ["enforce --status", "watch --enforce"]
    assert verbs[2:] == [f"prove --ledger {address} --strict", "enforce --off --project-name world"]


def test_make_up_says_why_nothing_is_enforced_and_leaves_no_rules(fake_machine: FakeMachine) -> None:
    fake_machine.docker(UP)
    command(
        fake_machine, 'echo "$1 $2" >>"$HOME/verbs"\n[[ $2 != --status ]] && echo no kernel for it && [[ $2 == --off ]]'
    )
    result = fake_machine.run("make", "up", "ENFORCE=1", CLOISON_PORT=PORT)

    assert "no kernel for it" in result.said
    assert "The policy is not enforced; the stack runs as its file says." in result.said
    assert result.code == 2, "make's own code for a script that failed"
    assert "enforce --off" in (fake_machine.home / "user/verbs").read_text()
    assert not (fake_machine.clone / ".cache/watch.pid").exists()


def test_a_second_make_up_creates_nothing(fake_machine: FakeMachine) -> None:
    fake_machine.run("make", "up", CLOISON_PORT=PORT)
    fake_machine.docker({'"image inspect"*': "exit 0"})
    before = len(fake_machine.calls())

    result = fake_machine.run("make", "up")

    assert result.code == 0
    assert result.said.splitlines()[-1] == f"✓ The stack runs: http://localhost:{PORT}"
    assert not [call for call in fake_machine.calls()[before:] if "pip" in call or "pull" in call]


def test_the_stack_runs_before_it_is_proven(fake_machine: FakeMachine) -> None:
    fake_machine.docker(UP)
    command(fake_machine, "echo cloison $*")

    result = fake_machine.run("make", "up", CLOISON_PORT=PORT)

    assert "\ncloison up" in result.said
    assert [call for call in fake_machine.calls() if "compose up" in call] == ["docker compose up -d --build --wait"]


@pytest.mark.parametrize("code", [1, 3])
def test_a_breach_is_not_a_success(fake_machine: FakeMachine, code: int) -> None:
    command(fake_machine, f"exit {code}")
    fake_machine.docker({'"compose ps"*': "echo 0123456789ab"})

    result = fake_machine.run("setup/up.sh", CLOISON_PORT=PORT)

    assert result.code == code
    assert f"The stack runs at http://localhost:{PORT}; see the result of its proof above" in result.said


def test_a_stack_that_does_not_become_healthy_is_named(fake_machine: FakeMachine) -> None:
    fake_machine.docker({'"compose up"*': "echo container world-db-1 is unhealthy >&2; exit 1"})

    result = fake_machine.run("make", "up", CLOISON_PORT=PORT)

    assert result.code == 2
    assert "    | container world-db-1 is unhealthy" in result.said
    assert "The stack did not become healthy. See the lines above and docker compose logs" in result.said


def test_a_failure_ends_the_run_where_it_happens(fake_machine: FakeMachine) -> None:
    result = fake_machine.run("make", "up", CLOISON_PORT="none")

    assert result.code == 2
    assert 'CLOISON_PORT is "none"' in result.said
    assert not any("pull" in call or "compose up" in call for call in fake_machine.calls())


def test_concurrent_runs_wait_for_each_other(fake_machine: FakeMachine) -> None:
    log = fake_machine.home / "log"
    command(fake_machine, f"echo in >>{log}; sleep 0.5; echo out >>{log}")

    runs = [fake_machine.start("make", "up", CLOISON_PORT=PORT) for _ in range(3)]
    results = [fake_machine.end_of(run) for run in runs]

    assert [result.code for result in results] == [0, 0, 0]
    assert log.read_text().split() == ["in", "out"] * 3


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_child_and_releases_the_lock(fake_machine: FakeMachine, sign: signal.Signals) -> None:
    log = fake_machine.home / "log"
    command(fake_machine, f"trap 'echo ended >>{log}; exit 130' INT TERM; echo began >>{log}; sleep 60 & wait")
    process = fake_machine.start("setup/up.sh", CLOISON_PORT=PORT)
    until(log.exists)

    process.send_signal(sign)

    assert fake_machine.end_of(process, 10).code == 128 + sign
    assert log.read_text().split() == ["began", "ended"]
    subprocess.run(["flock", "--nonblock", fake_machine.clone, "true"], check=True)


# ── what can be seen ────────────────────────────────────────────────────────────────────────────────────────


def on_a_terminal(fake_machine: FakeMachine, answer: bytes, *line: str) -> str:
    """Run a command on a terminal and type an answer; what it said, with every control sequence."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        line,
        cwd=fake_machine.clone,
        env={
            "PATH": f"{fake_machine.home}/bin",
            "HOME": f"{fake_machine.home}/user",
            "TERM": "xterm",
            "LANG": "C.UTF-8",
        },
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    os.write(terminal, answer)
    said = b""
    try:
        while chunk := os.read(terminal, 4096):
            said += chunk
    except OSError:  # EIO is how a terminal says that nobody is at its other end
        pass
    process.wait(10)
    os.close(terminal)
    return said.decode()


SLOW = "source setup/lib.sh; step slow 'Slow work' sleep 2.5"


def test_slow_work_shows_a_spinner_on_a_terminal(fake_machine: FakeMachine) -> None:
    said = on_a_terminal(fake_machine, b"", "bash", "-c", SLOW)

    assert {face for face in "|/-\\" if f"{face} Slow work" in said} == set("|/-\\")
    assert re.search(r"✓\S* Slow work \([23] s\)", said.split("\r")[-2] + said.split("\r")[-1])


def test_slow_work_is_plain_lines_elsewhere(fake_machine: FakeMachine) -> None:
    result = fake_machine.run("bash", "-c", SLOW)

    assert re.fullmatch(r"  Slow work … 2 s\n✓ Slow work \([23] s\)\n", result.said)


def test_quick_work_is_one_line(fake_machine: FakeMachine) -> None:
    result = fake_machine.run("bash", "-c", "source setup/lib.sh; step quick 'Quick work' true")

    assert result.said == "✓ Quick work\n"


def test_a_terminal_without_colours_gets_none(fake_machine: FakeMachine) -> None:
    said = on_a_terminal(
        fake_machine, b"", "env", "NO_COLOR=1", "bash", "-c", "source setup/lib.sh; fail 'It broke.' 'Mend it.'"
    )

    assert said == "✗ It broke. Mend it.\r\n"


@pytest.mark.parametrize("name", ["SEED", "DOCUMENTS", "COUNT"])
@pytest.mark.parametrize("value", ["x", "-1", "1e3", "3 4", "9999999999"])
def test_a_wrong_number_is_an_error_before_any_work(fake_machine: FakeMachine, name: str, value: str) -> None:
    result = fake_machine.run("make", "soak", f"{name}={value}")

    assert result.code == 2
    assert f'{name} is not a number: "{value}". make soak SEED=' in result.said
    assert fake_machine.calls() == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("start",), "setup/second-engine.sh needs the name of a Debian suite"),
        (("start", "sid9"), '"sid9" is not a Debian suite: a suite has a name of lower-case letters. Name one'),
        (("enter", "../etc", "true"), '"../etc" is not a Debian suite'),
        (("strat", "trixie"), 'setup/second-engine.sh has no verb "strat"'),
    ],
)
def test_an_invalid_suite_is_an_error(fake_machine: FakeMachine, words: tuple[str, ...], sentence: str) -> None:
    result = fake_machine.run("setup/second-engine.sh", *words)

    assert result.code == 1
    assert sentence in result.said


# ── make down, make clean ───────────────────────────────────────────────────────────────────────────────────


def test_make_down_keeps_the_data(fake_machine: FakeMachine) -> None:
    result = fake_machine.run("make", "down")

    assert result.code == 0
    assert "docker compose down --remove-orphans" in fake_machine.calls()
    assert "Its data is kept in the volume db_data" in result.said


def test_make_down_without_an_engine_has_nothing_to_do(minimal_machine: FakeMachine) -> None:
    result = minimal_machine.run("make", "down")

    assert (result.code, result.said) == (0, "✓ The stack does not run: no engine answers.\n")


@pytest.fixture
def used(fake_machine: FakeMachine) -> FakeMachine:
    """A machine on which make up was run."""
    fake_machine.dotenv.write_text("MINE=1\n")
    assert fake_machine.run("make", "up", CLOISON_PORT=PORT).code == 0
    fake_machine.docker(
        {
            '"ps --all"*': "echo container world-db-1",
            '"volume ls"*': "echo volume world_db_data, with its data",
            '"image ls"*': f"[[ -e {fake_machine.home}/removed ]] || printf '%s\\n' {LEDGER} other:1",
            '"image rm"*': f"touch {fake_machine.home}/removed",
        }
    )
    return fake_machine


def test_make_clean_asks_first(used: FakeMachine) -> None:
    result = used.run("make", "clean")

    assert result.code == 2
    assert (
        "make clean asks before it removes anything, and stdin is not a terminal. Run YES=1 make clean." in result.said
    )
    assert (used.clone / ".venv").exists()
    assert not any("down" in call for call in used.calls())


def test_make_clean_lists_its_targets_and_accepts_a_no(used: FakeMachine) -> None:
    said = on_a_terminal(used, b"n\n", "make", "clean").replace("\r\n", "\n")

    listed = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    assert listed == [
        "container world-db-1",
        "volume world_db_data, with its data",
        "image localhost/cloison/ledger:latest",
        ".env, the lines that make has written",
        ".venv",
        ".cache",
    ]
    assert "Nothing was removed." in said
    assert (used.clone / ".venv").exists()


def test_make_clean_removes_all_of_it_and_nothing_else(used: FakeMachine) -> None:
    result = used.run("make", "clean", YES="1")

    assert result.code == 0
    assert "docker compose down --volumes --remove-orphans --timeout 5" in used.calls()
    assert [call for call in used.calls() if "image rm" in call] == ["docker image rm localhost/cloison/ledger:latest"]
    assert used.dotenv.read_text() == "MINE=1\n"
    assert not (used.clone / ".venv").exists()
    assert not (used.clone / ".cache").exists()


def test_make_clean_names_an_image_that_others_use(used: FakeMachine) -> None:
    used.docker({'"image ls"*': "echo localhost/cloison/ledger:latest", '"image rm"*': "echo conflict >&2; exit 1"})

    result = used.run("make", "clean", YES="1")

    assert result.code == 0
    assert "Not removed, because other containers use them: localhost/cloison/ledger:latest" in result.said


def test_make_clean_without_an_engine_says_what_stays(used: FakeMachine) -> None:
    used.docker({'"version"*': "exit 1"})

    result = used.run("make", "clean", YES="1")

    assert result.code == 0
    assert (
        "The engine does not answer: containers, images and volumes of this stack stay in it. Start it, and"
        in result.said
    )


def test_a_second_make_clean_has_nothing_to_remove(used: FakeMachine) -> None:
    used.run("make", "clean", YES="1")
    used.docker()

    assert used.run("make", "clean", YES="1").code == 0


def test_a_dotenv_without_lines_of_the_user_is_removed(fake_machine: FakeMachine) -> None:
    fake_machine.run("make", "up", CLOISON_PORT=PORT)
    assert fake_machine.dotenv.exists()

    fake_machine.run("make", "clean", YES="1")

    assert not fake_machine.dotenv.exists()
