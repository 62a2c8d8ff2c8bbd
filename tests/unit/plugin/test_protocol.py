"""What docker asks of the plugin, and the answers."""

from __future__ import annotations

import json

import pytest

from cloison.errors import UsageError
from cloison.plugin.protocol import Invocation, Question, hook_answer, invocation, metadata

COMMAND = Question.COMMAND


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("docker-cli-plugin-metadata", Invocation(Question.METADATA)),
        ("cloison docker-cli-plugin-hooks {}", Invocation(Question.HOOK, ("{}",))),
        ("cloison", Invocation(COMMAND)),
        ("cloison plan -f other.yml", Invocation(COMMAND, ("plan", "-f", "other.yml"))),
        ("cloison prove --help", Invocation(COMMAND, ("prove", "--help"))),
        ("help cloison", Invocation(COMMAND, ("--help",))),
        ("help cloison plan", Invocation(COMMAND, ("plan", "--help"))),
        ("__complete cloison plan --f", Invocation(Question.COMPLETION, ("plan", "--f"))),
        ("--debug -l info cloison plan", Invocation(COMMAND, ("plan",))),
        ("-D --log-level=debug cloison plan", Invocation(COMMAND, ("plan",))),
        ("-H tcp://a:1 cloison up", Invocation(COMMAND, ("up",), {"DOCKER_HOST": "tcp://a:1"})),
        ("--host=tcp://a:1 cloison up", Invocation(COMMAND, ("up",), {"DOCKER_HOST": "tcp://a:1"})),
        ("--config /c cloison up", Invocation(COMMAND, ("up",), {"DOCKER_CONFIG": "/c"})),
        ("-c far cloison up", Invocation(COMMAND, ("up",), {"DOCKER_CONTEXT": "far", "DOCKER_HOST": ""})),
        ("--context=far cloison up", Invocation(COMMAND, ("up",), {"DOCKER_CONTEXT": "far", "DOCKER_HOST": ""})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_arguments_say_what_docker_asks(arguments: str, expected: Invocation) -> None:
    assert expected == invocation(arguments.split())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("", "this program is started by docker"),
        ("plan", "this program is started by docker"),
        ("--tlsverify cloison prove", "docker's option --tlsverify is not passed on to Cloison: set DOCKER_TLS_VERIFY"),
        ("--nonsense cloison prove", "docker's own options before `cloison`: option --nonsense not recognized"),
        ("--context", "docker's own options before `cloison`: option --context requires argument"),
    ],
)
def test_other_arguments_are_a_usage_error(arguments: str, named: str) -> None:
    with pytest.raises(UsageError, match=f"^{named}"):
        invocation(arguments.split())


def test_the_metadata_have_the_form_that_docker_accepts() -> None:
    assert {
        "SchemaVersion": "0.1.0",
        "Vendor": "Cloison",
        "Version": "1.2.3",
        "ShortDescription": "Prove which services of a Compose project can reach each other",
    } == json.loads(metadata("1.2.3"))


@pytest.mark.parametrize("flag", ["d", "detach", "wait"])
def test_the_hook_names_the_next_step_for_a_project_that_runs(flag: str) -> None:
    answer = json.loads(hook_answer(json.dumps({"RootCmd": "compose up", "Flags": {flag: "", "build": ""}})))

    assert 0 == answer["Type"]
    assert answer["Template"].endswith("docker cloison prove")
    assert "{{" not in answer["Template"]


@pytest.mark.parametrize(
    "request_",
    [
        '{"RootCmd": "compose up", "Flags": {}}',
        '{"RootCmd": "compose up", "Flags": null}',
        '{"RootCmd": "compose up"}',
        '{"RootCmd": "compose up", "Flags": {"d": ""}, "CommandError": "exit status 1"}',
        "[]",
        "no JSON",
    ],
)
def test_the_hook_is_silent_after_a_failure_and_in_the_foreground(request_: str) -> None:
    assert "" == hook_answer(request_)
