"""The program that docker starts for `docker cloison`.

    python -m cloison.docker_plugin ARGUMENT...

Input: the arguments of docker, see `plugin.protocol`. Output: an answer on stdout, or the end of the command itself.
Rules:
  - docker waits for the metadata whenever it lists its commands, so they import nothing that is slow.
  - docker passes no signal on: it closes a socket instead, and its plugin ends as after SIGTERM.
Source of the second: cli-plugins/socket/socket.go of https://github.com/docker/cli
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Final, NoReturn

from cloison import entry
from cloison.errors import USAGE_ERROR, UsageError
from cloison.plugin import protocol
from cloison.plugin.protocol import Question

PROGRAM: Final = "docker cloison"
NO_ANSWER: Final = 1
"""docker ignores the answer of a hook that ends with another code than 0."""
SOCKET_VARIABLE: Final = "DOCKER_CLI_PLUGIN_SOCKET"
"""The variable with the address of docker's socket; an `@` at its beginning is the zero byte of an abstract address."""
NO_FILES: Final = ":4"
FILES: Final = ":0"
"""The last line of an answer to `__complete`: whether the shell is to complete names of files (ShellCompDirective of
https://github.com/spf13/cobra/blob/main/completions.go)."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Answer docker, or run the command."""
    try:
        asked = protocol.invocation(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        print(f"cloison: {error}", file=sys.stderr)  # noqa: T201  # a message for the user
        sys.exit(USAGE_ERROR)
    _apply(asked.environment)
    if asked.question is Question.COMMAND:
        _end_with_docker(os.environ.get(SOCKET_VARIABLE, ""))
        entry.main([*asked.words], PROGRAM)
    sys.exit(_print_answer(_answer(asked)))


def _apply(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)


def _end_with_docker(address: str) -> None:
    """Let this process get SIGTERM when docker closes its socket; versions before 25 have none."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
    except OSError:
        connection.close()
        return
    threading.Thread(target=_await_end, args=(connection,), daemon=True).start()


def _await_end(connection: socket.socket) -> None:
    with connection:
        while connection.recv(1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def _answer(asked: protocol.Invocation) -> str:
    if asked.question is Question.METADATA:
        from importlib.metadata import version  # noqa: PLC0415  # only this answer needs it

        return protocol.metadata(version(protocol.NAME))
    if asked.question is Question.HOOK:
        return protocol.hook_answer(asked.words[0])
    return _completion(asked.words)


def _completion(words: tuple[str, ...]) -> str:
    """Return the words that could follow, each with its help after a tab, and whether file names could."""
    from click.shell_completion import ShellComplete  # noqa: PLC0415  # only this answer needs it

    from cloison.cli import cloison  # noqa: PLC0415  # as above

    *before, incomplete = words or ("",)
    items = ShellComplete(cloison, {}, PROGRAM, "").get_completions(before, incomplete)
    lines = [f"{item.value}\t{item.help or ''}".rstrip() for item in items if item.type == "plain"]
    return "\n".join([*lines, FILES if any(item.type != "plain" for item in items) else NO_FILES])


def _print_answer(text: str) -> int:
    if not text:
        return NO_ANSWER
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # JSON and the signs of docker are UTF-8
    print(text)  # noqa: T201  # the answer
    return 0


if __name__ == "__main__":
    main()
