"""A Python that is too old gets one sentence, and an exit code that means no breach."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloison import interpreter
from cloison.errors import UNPROVEN

SOURCE = Path(__file__).parents[2] / "src"
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
SENTENCE = (
    "cloison: Python 3.11 or newer is needed, and this is {}; install one; "
    "`uv tool install cloison` does that by itself\n"
)


def test_an_old_python_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))

    with pytest.raises(SystemExit) as ended:
        interpreter.check_version()
    assert (UNPROVEN, SENTENCE.format("3.10")) == (ended.value.code, capsys.readouterr().err)


def test_this_python_is_new_enough() -> None:
    interpreter.check_version()


MODULE = ("-m", "cloison")
SCRIPT = ("-c", "from cloison.entry import main; main()")
"""What the installed program does."""


@pytest.mark.parametrize(("version", "words"), [("3.7", MODULE), ("3.10", MODULE), ("3.10", SCRIPT)])
def test_a_real_old_python_prints_no_traceback(version: str, words: tuple[str, ...]) -> None:
    program = next(iter(sorted(PYENV.glob(f"versions/{version}.*/bin/python"))), None)
    if not program:
        pytest.skip(f"this machine has no Python {version} in {PYENV}/versions")
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([program, *words], env=env, check=False, capture_output=True, text=True)

    assert (UNPROVEN, "", SENTENCE.format(version)) == (done.returncode, done.stdout, done.stderr)


def test_the_module_runs_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "cloison", "--help"], check=False, capture_output=True, text=True)

    assert 0 == done.returncode
    assert done.stdout.startswith("Usage: cloison [OPTIONS]")
