"""The command's entry point: one exit code and one sentence for every end, the unforeseen ones included.

Input: the words of the command line. Output: the exit code, see `cloison.errors`.
Rule: exit code 1 means a breach, so no failure of the command itself ends with it: an unforeseen error exits with 3,
SIGINT with 130, SIGTERM with 143. The traceback of an unforeseen error is printed with `--debug` only.
Everything slow is imported after the signal handlers are installed.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from cloison.interpreter import check_version

check_version()
try:
    from cloison.errors import DEBUG_VARIABLE, INTERRUPTED, UNPROVEN, OutputError, unexpected
    from cloison.linux.signals import SIGNALS, TERMINATED
except KeyboardInterrupt:  # no handler is installed yet, and Python would print a traceback
    os._exit(130)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STANDARD_DESCRIPTORS = 3
"""stdin, stdout and stderr."""


def main(argv: list[str] | None = None, program: str = "cloison") -> NoReturn:
    """Run the command line and exit with its code; `program` is the name that help shows."""
    try:
        SIGNALS.install()
        code = _exit_code(argv, program)
    except KeyboardInterrupt:
        SIGNALS.restore()
        code = _print_error("interrupted; every temporary resource was removed", INTERRUPTED)
    # A library may swallow the exception that the signal raised, and the work goes on; the exit code still reports it.
    sys.exit(TERMINATED if SIGNALS.terminated else code)


def is_debug() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get(DEBUG_VARIABLE, "0") not in {"", "0"}


def _exit_code(argv: list[str] | None, program: str) -> int:
    try:
        _prepare_streams()
        from cloison import cli  # noqa: PLC0415  # an import that fails is an unforeseen error, too

        code = cli.run(argv, program)
        if sys.stdout:
            sys.stdout.flush()
    except OutputError as error:
        return _print_error(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001  # this is the handler for what was not foreseen
        if is_debug():
            import traceback  # noqa: PLC0415  # slow, and hardly ever needed

            traceback.print_exception(error)
        return _print_error(unexpected(error), UNPROVEN)
    return code


class _Stdout(io.FileIO):
    """The file descriptor 1; a write that fails raises OutputError, which no library takes for its own error."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write to stdout; after an error it is /dev/null, because Python exits with 120 if its last flush fails."""
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise OutputError(f"stdout: the output could not be written: {error.strerror}") from error


def _prepare_streams() -> None:
    """Open /dev/null in place of closed standard streams, and replace what an encoding lacks by `?`.

    The number of a closed descriptor would be given to the next socket, into which a child process would then write.
    sys.stdout stays None if it is closed.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor < STANDARD_DESCRIPTORS:
        os.set_inheritable(descriptor, True)  # noqa: FBT003  # the os module's own signature
        descriptor = os.dup(descriptor)
    os.close(descriptor)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  # open until the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # as above
    if sys.stdout is not None:
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Stdout(1, "w", closefd=False)),
            encoding=sys.stdout.encoding,
            errors="replace",
            line_buffering=sys.stdout.isatty(),
        )


def _print_error(sentence: str, code: int) -> int:
    try:
        print(f"cloison: {sentence}", file=sys.stderr, flush=True)  # noqa: T201  # click may not be imported
    except OSError:  # stderr is full or closed; the exit code remains
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return code
