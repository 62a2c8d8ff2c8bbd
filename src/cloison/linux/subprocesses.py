"""Runs programs: every child process of the prover is started here.

Input: an argument list. Output: the exit code and the output of the program.
Rule: no verdict depends on a program's messages; callers read exit codes and JSON.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from cloison.errors import NotProven

NOT_FOUND: Final = 127
"""The exit code of a shell for a command that does not exist."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The exit code and the output of a program. `code` is 127 if the program cannot be started."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line of its output, standard error first, for an error message."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}"


def run(
    argv: Sequence[str], *, seconds: float = 60, env: Mapping[str, str] | None = None, text: str | None = None
) -> CommandResult:
    """Run a program to its end and return its exit code and output; `text` is its standard input.

    Raises NotProven if it does not end within `seconds`.
    """
    try:
        done = subprocess.run(  # noqa: S603  # argv is a list, no shell reads it
            argv,
            **({"stdin": subprocess.DEVNULL} if text is None else {"input": text}),
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            env=env,
        )
    except OSError as error:
        return _not_started(argv, error)
    except subprocess.TimeoutExpired as error:
        raise _stuck(argv, seconds) from error
    return CommandResult(done.returncode, done.stdout, done.stderr)


@contextmanager
def running(
    argv: Sequence[str], *, seconds: float = 60, env: Mapping[str, str] | None = None
) -> Iterator[Callable[[], CommandResult]]:
    """Run a program without input during the block; yield the function that waits for its end, as `run` does.

    A program whose end was not waited for is killed.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  # as above
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=env,
        )
    except OSError as error:
        not_started = _not_started(argv, error)
        yield lambda: not_started
        return
    with process:
        try:
            yield lambda: _result(process, argv, seconds)
        finally:
            if process.poll() is None:
                process.kill()


def _result(process: subprocess.Popen[str], argv: Sequence[str], seconds: float) -> CommandResult:
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise _stuck(argv, seconds) from error
    return CommandResult(process.returncode, out, err)


def _stuck(argv: Sequence[str], seconds: float) -> NotProven:
    return NotProven(f"`{' '.join(argv)}` did not end within {seconds:.0f} s; is the engine stuck?")


def run_in_session(
    argv: Sequence[str], text: str, *, inherit_fd: int, seconds: float, env: Mapping[str, str]
) -> CommandResult:
    """Run a program in its own session (setsid(2)), with `text` on its standard input.

    A Ctrl-C in the terminal does not reach the program. If this function is left early, the program's whole process
    group is killed. The program inherits the descriptor `inherit_fd`.
    Raises NotProven if it does not end within `seconds`.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  # as above
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            pass_fds=(inherit_fd,),
            env=env,
        )
    except OSError as error:
        return _not_started(argv, error)
    with process:
        try:
            out, err = process.communicate(text, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise _stuck(argv, seconds) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return CommandResult(process.returncode, out, err)


def run_attached(argv: Sequence[str], text: str | None = None) -> int:
    """Run a program with its output on standard error, where the user reads it, and return its exit code.

    `text` is its standard input; without it, it has that of this process.
    """
    try:
        return subprocess.run(argv, stdout=2, check=False, input=text, encoding="utf-8").returncode  # noqa: S603  # as above
    except OSError:
        return NOT_FOUND


def _not_started(argv: Sequence[str], error: OSError) -> CommandResult:
    """Return the result for a program that does not exist, or that PATH names and the kernel does not execute."""
    why = "command not found" if isinstance(error, FileNotFoundError) else error.strerror
    return CommandResult(NOT_FOUND, "", f"{argv[0]}: {why}")
