"""Runs one proof in a helper container on the engine's machine, for a command that may not enter its namespaces.

    python -m cloison.agent

Input: an `AgentRequest` on standard input. Output: a `ProofResponse` or an `ErrorResponse` on standard output, with
`Progress` before it; see `remote.protocol`.
Rule: the agent exits when stdin closes, because then the command has ended. It removes what it has made first, as
after SIGTERM.
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

from cloison.errors import CloisonError, NotProven, unexpected
from cloison.linux.signals import SIGNALS
from cloison.linux.subprocesses import CommandResult
from cloison.proof import schema as proof_schema
from cloison.remote import protocol as remote_protocol
from cloison.remote.protocol import AgentRequest, ComposeUpRequest, ComposeUpResult, Progress, ProofResponse
from cloison.workflow import local_proof

HEARTBEAT_SECONDS: Final = 1
"""Seconds between two empty `Progress` messages."""
READ_SIZE: Final = 1 << 16


class CommandChannel:
    """The connection to the command: messages over standard input and output, one a line."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lock = threading.Lock()
        for work in (self._read_stdin, self._send_heartbeats):
            threading.Thread(target=work, daemon=True).start()

    def send(self, message: msgspec.Struct) -> None:
        """Write a message to standard output; messages of several threads do not mix."""
        text = remote_protocol.encode(message)
        with self._lock:
            while text:
                text = text[os.write(1, text) :]

    def receive(self) -> AgentRequest | ComposeUpResult:
        """Wait for the next message of the command.

        Raises NotProven if the line is not a valid message.
        """
        try:
            return remote_protocol.decode_request(self._lines.get())
        except msgspec.DecodeError as error:
            raise NotProven(f"the agent received an invalid message: {error}") from error

    def _read_stdin(self) -> None:
        # os.read, not sys.stdin: this thread would still hold the lock of sys.stdin when the interpreter exits.
        rest = b""
        while part := os.read(0, READ_SIZE):
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                self._lines.put(line)
        os.kill(os.getpid(), signal.SIGTERM)

    def _send_heartbeats(self) -> None:
        while True:
            time.sleep(HEARTBEAT_SECONDS)
            self.send(Progress())


def main() -> NoReturn:
    """Run the request of the command, send the response, and exit."""
    SIGNALS.install()
    channel = CommandChannel()
    try:
        found = _prove(channel)
    except CloisonError as error:
        channel.send(remote_protocol.error_response(error))
    except Exception as error:  # noqa: BLE001  # the command reports what was not foreseen here
        channel.send(remote_protocol.error_response(NotProven(unexpected(error, "the agent"))))
    else:
        channel.send(ProofResponse(msgspec.Raw(proof_schema.canonical(found))))
    sys.exit(0)


def _prove(channel: CommandChannel) -> proof_schema.Proof:
    request = channel.receive()
    if not isinstance(request, AgentRequest):
        raise NotProven("the agent received a message that is not a request")
    return local_proof.prove_locally(
        request, lambda sentence: channel.send(Progress(sentence)), _start_via_command(channel)
    )


def _start_via_command(channel: CommandChannel) -> Callable[[str, Mapping[str, Any], int], CommandResult]:
    """Return a function that lets the command run Compose, which this container does not have."""

    def start(name: str, document: Mapping[str, Any], _lock: int) -> CommandResult:
        channel.send(ComposeUpRequest(name, dict(document)))
        response = channel.receive()
        if not isinstance(response, ComposeUpResult):
            raise NotProven("the agent did not receive the result of Compose")
        return CommandResult(response.code, response.out, response.err)

    return start


if __name__ == "__main__":
    main()
