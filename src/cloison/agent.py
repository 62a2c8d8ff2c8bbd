"""The scout: does one errand in a container on the engine's machine, for a command that may not.

    python -m cloison.agent        the errand on standard input, the answer on standard output: see `errand`

Rule: the line is the life. When standard input ends, the command is gone; the scout then takes away
what it has made and ends, as it would after SIGTERM.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import msgspec

from cloison.errors import CloisonError, NotProven
from cloison.linux.signals import INTERRUPTS
from cloison.linux.subprocesses import Result
from cloison.proof import schema as proof_schema
from cloison.remote import protocol as remote_protocol
from cloison.remote.protocol import Errand, Proven, Staged, Staging, Talk
from cloison.workflow import local_proof

ALIVE: Final = 1
"""Seconds between two signs of life."""
BLOCK: Final = 1 << 16


class Line:
    """The line to the command."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lock = threading.Lock()
        for work in (self._listen, self._live):
            threading.Thread(target=work, daemon=True).start()

    def say(self, message: msgspec.Struct) -> None:
        """Say a message, whole."""
        text = remote_protocol.written(message)
        with self._lock:
            while text:
                text = text[os.write(1, text) :]

    def hear(self) -> Errand | Staged:
        """Wait for what the command says.

        Raises NotProven when it is no message.
        """
        try:
            return remote_protocol.asked(self._lines.get())
        except msgspec.DecodeError as error:
            raise NotProven(f"the scout was asked something that it does not understand: {error}") from error

    def _listen(self) -> None:
        # Not through sys.stdin, whose lock this thread would still hold when the interpreter ends.
        rest = b""
        while part := os.read(0, BLOCK):
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                self._lines.put(line)
        os.kill(os.getpid(), signal.SIGTERM)

    def _live(self) -> None:
        while True:
            time.sleep(ALIVE)
            self.say(Talk())


def main() -> NoReturn:
    """Do the errand and leave."""
    INTERRUPTS.answer()
    line = Line()
    try:
        wish = line.hear()
        if not isinstance(wish, Errand):
            raise NotProven("the scout was sent without an errand")
        found = local_proof.here(wish, lambda sentence: line.say(Talk(sentence)), _start_by(line))
    except CloisonError as error:
        line.say(remote_protocol.failed(error))
    else:
        line.say(Proven(msgspec.Raw(proof_schema.canonical(found))))
    sys.exit(0)


def _start_by(line: Line) -> Callable[[str, Mapping[str, Any], int], Result]:
    """Have the command's own Compose start a rehearsal: there is none in this container."""

    def start(name: str, document: Mapping[str, Any], _lock: int) -> Result:
        line.say(Staging(name, dict(document)))
        told = line.hear()
        if not isinstance(told, Staged):
            raise NotProven("the scout was not told how Compose ended")
        return Result(told.code, told.out, told.err)

    return start


if __name__ == "__main__":
    main()
