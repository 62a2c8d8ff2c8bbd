"""What the docker CLI asks of a plugin, and the answers.

Input: the arguments with which docker starts the plugin's program. Output: an `Invocation`, and the answers as JSON.

    docker-cli-plugin-metadata                           the plugin's description, for lists of commands
    cloison docker-cli-plugin-hooks REQUEST              what to print after a command that config.json names
    __complete cloison WORD... INCOMPLETE                the words that could follow
    [OPTION of docker]... [help] cloison ARGUMENT...     the user's command line, with docker's own options before it

Source: cli-plugins/metadata/metadata.go, cli-plugins/hooks/hook_types.go and cli-plugins/manager/cobra.go of
https://github.com/docker/cli; the options of docker: https://docs.docker.com/reference/cli/docker/
"""

from __future__ import annotations

import getopt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from cloison.errors import UsageError

NAME: Final = "cloison"
VENDOR: Final = "Cloison"
SUMMARY: Final = "Prove which services of a Compose project can reach each other"
METADATA_WORD: Final = "docker-cli-plugin-metadata"
HOOKS_WORD: Final = "docker-cli-plugin-hooks"
COMPLETE_WORD: Final = "__complete"
HELP_WORD: Final = "help"
NEXT_STEPS: Final = 0
"""The only type of answer to a hook: text for docker's list "What's next"."""
HOOK_TEXT: Final = "Prove which services of this project can reach each other → docker cloison prove"
"""A template of Go's text/template without any action."""
DETACHED_FLAGS: Final = frozenset({"d", "detach", "wait"})
"""Flags of `docker compose up` with which the project still runs when the command has ended."""
SHORT_OPTIONS: Final = "c:H:Dl:"
LONG_OPTIONS: Final = (
    *("config=", "context=", "debug", "host=", "log-level="),
    *("tls", "tlscacert=", "tlscert=", "tlskey=", "tlsverify"),
)
VARIABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "-c": {"DOCKER_CONTEXT": "{}", "DOCKER_HOST": ""},
    "--context": {"DOCKER_CONTEXT": "{}", "DOCKER_HOST": ""},
    "-H": {"DOCKER_HOST": "{}"},
    "--host": {"DOCKER_HOST": "{}"},
    "--config": {"DOCKER_CONFIG": "{}"},
    "-D": {},
    "--debug": {},
    "-l": {},
    "--log-level": {},
}
"""An option of docker to the environment variables that say the same; an empty one is to be unset.

DOCKER_HOST has precedence over DOCKER_CONTEXT, and the option --context over both."""


class Question(Enum):
    """What docker asks of the plugin."""

    METADATA = auto()
    HOOK = auto()
    COMPLETION = auto()
    COMMAND = auto()


@dataclass(frozen=True, slots=True)
class Invocation:
    """One start of the plugin: the question, its words, and the variables that docker's own options stand for."""

    question: Question
    words: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def invocation(arguments: Sequence[str]) -> Invocation:
    """Return what docker asks with these arguments.

    Raises UsageError if the program was not started by docker, or with an option that cannot be passed on.
    """
    options, words = _split(arguments)
    environment = _environment(options)
    match words:
        case [word] if word == METADATA_WORD:
            return Invocation(Question.METADATA)
        case [name, word, request] if (name, word) == (NAME, HOOKS_WORD):
            return Invocation(Question.HOOK, (request,))
        case [word, name, *others] if (word, name) == (COMPLETE_WORD, NAME):
            return Invocation(Question.COMPLETION, tuple(others), environment)
        case [word, name, *others] if (word, name) == (HELP_WORD, NAME):
            return Invocation(Question.COMMAND, (*others, "--help"), environment)
        case [name, *others] if name == NAME:
            return Invocation(Question.COMMAND, tuple(others), environment)
    raise UsageError("this program is started by docker: write `docker cloison --help`, or use `cloison` itself")


def _split(arguments: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    try:
        return getopt.getopt([*arguments], SHORT_OPTIONS, [*LONG_OPTIONS])
    except getopt.GetoptError as error:
        raise UsageError(f"docker's own options before `cloison`: {error.msg}") from error


def _environment(options: Sequence[tuple[str, str]]) -> dict[str, str]:
    environment: dict[str, str] = {}
    for option, value in options:
        if option not in VARIABLES:
            raise UsageError(
                f"docker's option {option} is not passed on to Cloison: set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or "
                "use a docker context"
            )
        environment |= {name: text.format(value) for name, text in VARIABLES[option].items()}
    return environment


def metadata(version: str) -> str:
    """Return the answer to docker-cli-plugin-metadata; docker accepts the schema version 0.1.0 alone."""
    return json.dumps(
        {"SchemaVersion": "0.1.0", "Vendor": VENDOR, "Version": version, "ShortDescription": SUMMARY}, sort_keys=True
    )


def hook_answer(request: str) -> str:
    """Return the answer to docker-cli-plugin-hooks, empty if there is nothing to say.

    That is so after a command that failed, and after a `docker compose up` in the foreground, whose project has
    stopped. The request is JSON with the names of the command's flags in `Flags`, and its error in `CommandError`.
    """
    try:
        document: Any = json.loads(request)
    except ValueError:
        return ""
    if not isinstance(document, dict) or document.get("CommandError"):
        return ""
    if DETACHED_FLAGS.isdisjoint(document.get("Flags") or ()):
        return ""
    return json.dumps({"Type": NEXT_STEPS, "Template": HOOK_TEXT}, ensure_ascii=False, sort_keys=True)
