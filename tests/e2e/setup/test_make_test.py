"""`make test` itself: it fails when anything fails, and stops what it started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.setup.conftest import FakeMachine

STEPS = ("ruff check", "ruff format --check", "mypy ", "lint-imports ", "shellcheck ", "pytest ", "coverage report")

# Its namespaces are the machine's own.
SECOND_ENGINE = """#!/bin/bash
case $1 in
  enter) exec "${@:3}" ;;
esac
"""


@pytest.fixture
def ready_machine(fake_machine: FakeMachine) -> FakeMachine:
    """A machine with all packages, whose every check and test passes."""
    fake_machine.docker({'"image inspect"*': "exit 0"})
    fake_machine.fake("dpkg-query", "printf installed")
    fake_machine.fake("git", "printf 'setup/%s\\n' lib.sh test.sh packages.test")
    fake_machine.fake("shellcheck", "exit 0")
    (fake_machine.clone / "setup/second-engine.sh").write_text(SECOND_ENGINE)
    assert fake_machine.run("setup/python.sh", "dev").code == 0
    for name in ("ruff", "mypy", "lint-imports", "pytest", "coverage"):
        passes(fake_machine, name)
    return fake_machine


def passes(fake_machine: FakeMachine, name: str, when: str = "true") -> None:
    """Give the clone's environment a tool that leaves its call in the record."""
    tool = fake_machine.clone / ".venv/bin" / name
    tool.write_text(f'#!/bin/bash\necho "{name} $*" >>{fake_machine.home}/calls\n{when}\n')
    tool.chmod(0o755)


def steps(fake_machine: FakeMachine) -> list[str]:
    return [step.strip() for call in fake_machine.calls() for step in STEPS if f"{call} ".startswith(step)]


def test_every_check_and_every_test_is_run(ready_machine: FakeMachine) -> None:
    result = ready_machine.run("make", "test")

    assert result.code == 0, result.said
    assert list(dict.fromkeys(steps(ready_machine))) == [step.strip() for step in STEPS]
    assert 7 == steps(ready_machine).count("pytest")  # one for each lane
    assert "src/cloison/predict.py,src/cloison/predict/*" in ready_machine.calls()[-1]


def test_all_shell_scripts_are_checked_and_nothing_else(ready_machine: FakeMachine) -> None:
    ready_machine.run("make", "lint")

    assert "shellcheck --external-sources setup/lib.sh setup/test.sh" in ready_machine.calls()


@pytest.mark.parametrize("tool", ["ruff", "mypy", "lint-imports", "pytest", "coverage"])
def test_a_failing_check_fails_the_run(ready_machine: FakeMachine, tool: str) -> None:
    passes(ready_machine, tool, "exit 1")

    result = ready_machine.run("make", "test")

    assert result.code == 2


def test_failed_tests_are_named_in_the_last_lines(ready_machine: FakeMachine) -> None:
    """Where a log is cut off, they are all that is seen."""
    passes(
        ready_machine, "pytest", 'echo "FAILED tests/unit/test_$1.py::test_$# - it is wrong"; echo much more; exit 1'
    )

    result = ready_machine.run("make", "test")

    *_, last, _ = lines = result.said.splitlines()
    assert ["FAILED tests/unit/test_"] * 7 == [line[:23] for line in lines[-9:-2]]
    assert "Tests failed. The lines above name them" in last


def test_all_failing_checks_are_reported_together(ready_machine: FakeMachine) -> None:
    passes(ready_machine, "ruff", "echo a fault of ruff; exit 1")
    passes(ready_machine, "mypy", "echo a fault of mypy; exit 1")

    result = ready_machine.run("make", "lint")

    assert "    | a fault of ruff" in result.said
    assert "    | a fault of mypy" in result.said
    assert "The code does not pass its checks. Fix what is listed above; make fmt formats the code." in result.said


def test_a_running_stack_is_not_disturbed(ready_machine: FakeMachine) -> None:
    ready_machine.docker(
        {'"ps --filter label="*': "printf '%s\\n' world-db-1 world-app-1", '"image inspect"*': "exit 0"}
    )

    result = ready_machine.run("make", "test")

    assert result.code == 2
    assert "The stack runs here (world-db-1 world-app-1), and the tests would disturb it. Stop it first" in result.said
    assert "pytest" not in steps(ready_machine)


def test_stacks_of_a_killed_run_are_removed(ready_machine: FakeMachine) -> None:
    running = "printf '%s\\n' '' shop cloison-stack-tests cloison-stack-tests cloison-stack-tests-full"
    ready_machine.docker({'"ps --all"*': running, '"image inspect"*': "exit 0", '"compose -p"*': "exit 0"})

    result = ready_machine.run("make", "test")

    down = [call.split()[3] for call in ready_machine.calls() if call.startswith("docker compose -p ")]
    assert (result.code, down) == (0, ["cloison-stack-tests", "cloison-stack-tests-full"])


def test_arguments_go_to_pytest(ready_machine: FakeMachine) -> None:
    ready_machine.run("make", "test", "ARGS=tests/e2e/setup -k port")

    assert any(call == "pytest tests/e2e/setup -k port" for call in ready_machine.calls())
    assert "coverage report" not in steps(ready_machine)  # a part of the tests covers a part of the code


@pytest.mark.engine
@pytest.mark.parametrize("pytest_does", ["exit 0", "exit 1", "kill -TERM $(cat /run/make.pid); sleep 30"])
def test_the_engine_that_it_started_is_stopped_however_it_ends(ready_machine: FakeMachine, pytest_does: str) -> None:
    ready_machine.docker({'"version"*': "[[ -e /run/up ]] && echo 1.51 28.5.2", '"image inspect"*': "exit 0"})
    ready_machine.fake("dockerd", "touch /run/up; trap 'rm /run/up; exit' TERM; sleep 60 & wait")
    # A file, because a signal may end a lane before its output is passed on.
    passes(ready_machine, "pytest", f"[[ -e /run/up ]] && echo engine runs >>/run/seen\n{pytest_does}")
    alone = "mount -t tmpfs tmpfs /var/log; ip link set lo up"
    gone = "[[ -e /run/up || -e /run/cloison/engine ]] || echo engine gone"
    script = f"setup/test.sh & echo $! >/run/make.pid; wait $!; cat /run/seen; {gone}"

    result = ready_machine.run("bash", "-c", script, before=alone)

    assert "engine runs" in result.said
    assert result.said.endswith("engine gone\n"), result.said


@pytest.mark.engine
def test_an_existing_engine_is_not_stopped(ready_machine: FakeMachine) -> None:
    result = ready_machine.run("make", "test", before="mkdir /run/cloison; echo process=1 >/run/cloison/engine")

    assert result.code == 0
    assert "Stopping the engine" not in result.said
