"""A program that cannot be started is a result with a reason, not an exception."""

from pathlib import Path

import pytest

from cloison.linux.subprocesses import NOT_FOUND, run

WHY = {"absent": "command not found", "text": "Permission denied", "text/program": "Not a directory"}


@pytest.mark.parametrize(("name", "why"), WHY.items())
def test_a_program_that_cannot_be_started_is_a_result_with_the_reason(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "text").write_text("no program, and not executable")
    program = str(tmp_path / name)
    result = run([program])

    assert (NOT_FOUND, f"{program}: {why}") == (result.code, result.last_line)


def test_a_folder_of_the_path_that_cannot_be_searched_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker-compose").write_text("not executable, as a folder that may not be searched looks to execve(2)")
    monkeypatch.setenv("PATH", str(tmp_path))

    result = run(["docker-compose"])

    assert (NOT_FOUND, "docker-compose: Permission denied") == (result.code, result.last_line)
