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
from cloison.linux.signals import SIGNALS
from cloison.linux.subprocesses import CommandResult
from cloison.proof import schema as proof_schema
from cloison.remote import protocol as remote_protocol
from cloison.remote.protocol import AgentRequest, ComposeUpRequest, ComposeUpResult, Progress, ProofResponse
from cloison.workflow import local_proof

HEARTBEAT_SECONDS: Final = 1
"""Seconds between two signs of life."""
READ_SIZE: Final = 1 << 16


class CommandChannel:
    """The line to the command."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lock = threading.Lock()
        for work in (self._read_stdin, self._send_heartbeats):
            threading.Thread(target=work, daemon=True).start()

    def send(self, message: msgspec.Struct) -> None:
        """Say a message, whole."""
        text = remote_protocol.encode(message)
        with self._lock:
            while text:
                text = text[os.write(1, text) :]

    def receive(self) -> AgentRequest | ComposeUpResult:
        """Wait for what the command says.

        Raises NotProven when it is no message.
        """
        try:
            return remote_protocol.decode_request(self._lines.get())
        except msgspec.DecodeError as error:
            raise NotProven(f"the scout was asked something that it does not understand: {error}") from error

    def _read_stdin(self) -> None:
        # Not through sys.stdin, whose lock this thread would still hold when the interpreter ends.
        rest = b""
        while part := os.read(0, READ_SIZE):
            *whole, rest = (rest + part).split(b"\n")
            for channel in whole:
                self._lines.put(channel)
        os.kill(os.getpid(), signal.SIGTERM)

    def _send_heartbeats(self) -> None:
        while True:
            time.sleep(HEARTBEAT_SECONDS)
            self.send(Progress())


def main() -> NoReturn:
    """Do the errand and leave."""
    SIGNALS.install()
    channel = CommandChannel()
    try:
        request = channel.receive()
        if not isinstance(request, AgentRequest):
            raise NotProven("the scout was sent without an errand")
        found = local_proof.prove_locally(
            request, lambda sentence: channel.send(Progress(sentence)), _start_via_command(channel)
        )
    except CloisonError as error:
        channel.send(remote_protocol.error_response(error))
    else:
        channel.send(ProofResponse(msgspec.Raw(proof_schema.canonical(found))))
    sys.exit(0)


def _start_via_command(channel: CommandChannel) -> Callable[[str, Mapping[str, Any], int], CommandResult]:
    """Have the command's own Compose start a rehearsal: there is none in this container."""

    def start(name: str, document: Mapping[str, Any], _lock: int) -> CommandResult:
        channel.send(ComposeUpRequest(name, dict(document)))
        response = channel.receive()
        if not isinstance(response, ComposeUpResult):
            raise NotProven("the scout was not told how Compose ended")
        return CommandResult(response.code, response.out, response.err)

    return start


if __name__ == "__main__":
    main()
