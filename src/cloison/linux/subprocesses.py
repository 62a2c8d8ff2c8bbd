"""Runs programs; no other module of the package starts a process, except the ssh tunnel.

Input: a command line. Output: an exit code and the program's output.
Rule: no verdict depends on a program's messages for people; callers read exit codes, JSON and rule sets.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.errors import NotProven

NOT_FOUND: Final = 127


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a program. `code` is 127 when it is not installed."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line of its output, for an error message."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}"


def run(argv: Sequence[str], *, seconds: float = 60, env: Mapping[str, str] | None = None) -> CommandResult:
    """Run a program to its end and return its output.

    Raises NotProven when it does not end within `seconds`.
    """
    try:
        done = subprocess.run(  # noqa: S603  # argv is a list, no shell reads it
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            env=env,
        )
    except FileNotFoundError:
        return CommandResult(NOT_FOUND, "", f"{argv[0]}: command not found")
    except subprocess.TimeoutExpired as error:
        raise NotProven(f"`{' '.join(argv)}` did not end within {seconds:.0f} s; is the engine stuck?") from error
    return CommandResult(done.returncode, done.stdout, done.stderr)


def run_in_session(
    argv: Sequence[str], text: str, *, inherit_fd: int, seconds: float, env: Mapping[str, str]
) -> CommandResult:
    """Run a program with `text` as its input, in a session of its own, and return its output.

    SIGINT of the terminal does not reach the session, and its processes are killed when this function ends early.
    The program inherits `inherit_fd`. Raises NotProven when it does not end within `seconds`.
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
    except FileNotFoundError:
        return CommandResult(NOT_FOUND, "", f"{argv[0]}: command not found")
    with process:
        try:
            out, err = process.communicate(text, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise NotProven(f"`{' '.join(argv)}` did not end within {seconds:.0f} s; is the engine stuck?") from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return CommandResult(process.returncode, out, err)


def run_attached(argv: Sequence[str]) -> int:
    """Run a program whose output goes to stderr, because stdout is the report's, and return its exit code."""
    try:
        return subprocess.run(argv, stdout=2, check=False).returncode  # noqa: S603  # as above
    except FileNotFoundError:
        return NOT_FOUND
