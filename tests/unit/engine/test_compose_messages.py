"""The reason of an error and the warnings, as Compose 2.40 printed them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloison import errors
from cloison.engine import compose_messages

UNSET = (
    'time="2026-01-02T03:04:05Z" level=warning msg="The \\"DATA\\" variable is not set. Defaulting to a blank string."'
)
COMMAND = (sys.executable, "-c", "from cloison.entry import main; main()")


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        (
            "\ninvalid interpolation format for c.content.\nYou may need to escape any $ with another $.\n#!/bin/sh\n",
            "invalid interpolation format for c.content. You may need to escape any $ with another $.",
        ),
        (
            "include cycle detected:\n/a/inc.yml\n include /a/inc.yml\n",
            "include cycle detected: /a/inc.yml include /a/inc.yml",
        ),
        (
            f"{UNSET}\ninvalid spec: :/data: empty section between colons\n",
            "invalid spec: :/data: empty section between colons",
        ),
        ("open /a.yml: no such file or directory\n", "open /a.yml: no such file or directory"),
        ("a:\n b\n c\n d\n e\n f\n", "a: b c d"),
        ("invalid proto:\n", "invalid proto:"),
        ("x" * 600, "x" * 500 + "…"),
        (f"{UNSET}\nWARN[0000] old\n", ""),
        ("", ""),
    ],
)
def test_the_reason_of_an_error_is_at_its_beginning(printed: str, reason: str) -> None:
    assert reason == compose_messages.reason(printed)


@pytest.mark.parametrize(
    ("printed", "warnings"),
    [
        (f"{UNSET}\n{UNSET}\n", ['The "DATA" variable is not set. Defaulting to a blank string.']),
        ("WARN[0000] /a.yml: `version` is obsolete  \n", ["/a.yml: `version` is obsolete"]),
        ('time="x" level=warning msg=short\n', ["short"]),
        ('time="x" level=info msg="read"\nno such file\n', []),
        ("", []),
    ],
)
def test_warnings_are_those_of_compose_each_once(printed: str, warnings: list[str]) -> None:
    assert warnings == compose_messages.warnings(printed)


# With Compose itself: no engine is asked.


def plan(folder: Path, text: str, *words: str, name: str = "file.yml") -> subprocess.CompletedProcess[str]:
    """Plan a file with the Compose of this machine."""
    (folder / name).write_text(text)
    source = str(Path(errors.__file__).parents[1])
    env = {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE_", "DOCKER_"))} | {"PYTHONPATH": source}
    return subprocess.run(
        [*COMMAND, "plan", *words, "--format", "json"],
        cwd=folder,
        env=env,
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_long_error_is_shown_from_its_beginning(tmp_path: Path) -> None:
    text = "services: {web: {image: w}}\nconfigs:\n  c:\n    content: |\n      x=${1##*/}\n      echo done\n"

    done = plan(tmp_path, text, "-f", "file.yml")

    assert 2 == done.returncode
    assert "cannot be resolved: invalid interpolation format for configs.c.content. You may need" in done.stderr
    assert "echo done" not in done.stderr


def test_a_variable_that_is_not_set_is_named_once(tmp_path: Path) -> None:
    done = plan(tmp_path, 'services: {app: {image: a, ports: ["${BIND_ADDR}:8080:80"]}}', "-f", "file.yml")

    warning = 'cloison: warning: The "BIND_ADDR" variable is not set. Defaulting to a blank string.'
    assert [warning] == [line for line in done.stderr.splitlines() if "BIND_ADDR" in line]
    assert json.loads(done.stdout)


def test_a_failed_file_names_the_variable_that_is_not_set(tmp_path: Path) -> None:
    done = plan(tmp_path, 'services: {app: {image: a, volumes: ["${DATA}:/data"]}}', "-f", "file.yml")

    assert 2 == done.returncode
    assert '"DATA" variable is not set' in done.stderr
    assert "cannot be resolved: invalid spec: :/data: empty section between colons" in done.stderr


NO_ENVIRONMENT = 'services: {app: {image: a, env_file: [app.env, b.env], ports: ["80:80"]}, "b.c": {image: b}}'
SSH = (
    'services: {app: {image: a, build: {context: ., ssh: ["deploy=./id_ed25519"]}, env_file: x.env, ports: ["80:80"]}}'
)


@pytest.mark.parametrize(
    ("text", "name", "words", "why"),
    [
        (NO_ENVIRONMENT, "file.yml", ("-f", "file.yml"), "app.env"),
        (NO_ENVIRONMENT, "compose.yaml", (), "app.env"),
        (SSH, "file.yml", ("-f", "file.yml"), "x.env"),
        (SSH.replace("env_file: x.env, ", ""), "file.yml", ("-f", "file.yml"), "types.SSHKey"),
    ],
)
def test_what_changes_no_network_need_not_exist(
    tmp_path: Path, text: str, name: str, words: tuple[str, ...], why: str
) -> None:
    done = plan(tmp_path, text, *words, name=name)

    published = [end for end in json.loads(done.stdout)["endpoints"] if end["kind"] == "published"]
    assert {80} == {end["port"] for end in published}
    assert ("cloison: warning: ", True) == (done.stderr[:18], why in done.stderr)


def test_another_error_beside_a_missing_environment_file_stays_an_error(tmp_path: Path) -> None:
    done = plan(tmp_path, "services: {app: {image: a, env_file: [app.env], networks: [nowhere]}}", "-f", "file.yml")

    assert 2 == done.returncode
    assert "the Compose file cannot be resolved: " in done.stderr
