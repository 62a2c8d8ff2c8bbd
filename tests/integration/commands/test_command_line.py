"""The command line: exit codes, stdout and stderr, error messages."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.compose_project import POLICY, Lab, docker, three_tiers

from cloison.proof.schema import canonical, parse

pytestmark = pytest.mark.engine
COMMAND = str(Path(sys.executable).parent / "cloison")


def cloison(lab: Lab, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the lab's folder, without a terminal."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")} | environment
    return subprocess.run([COMMAND, *words], cwd=lab.folder, env=env, check=False, capture_output=True, text=True)


def test_a_proof_on_stdout_and_nothing_on_stderr(tiers: Lab) -> None:
    done = cloison(tiers, "prove", *tiers.selection.options)

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("PROVEN")
    assert "\x1b" not in done.stdout


def test_the_digest_of_the_file_names_the_proof(tiers: Lab) -> None:
    done = cloison(tiers, "prove", *tiers.selection.options, "--format", "terminal,json", "-o", "proof.json")

    written = (tiers.folder / "proof.json").read_bytes()
    assert hashlib.sha256(written).hexdigest() in done.stdout
    assert written == canonical(parse(written))


def test_composes_own_variables_are_followed(tiers: Lab) -> None:
    done = cloison(tiers, "prove", COMPOSE_FILE="compose.json", COMPOSE_PROJECT_NAME=tiers.name)

    assert 0 == done.returncode, done.stderr


def test_strict_fails_on_what_is_tolerated(tiers: Lab) -> None:
    done = cloison(tiers, "prove", *tiers.selection.options, "--strict")

    assert 1 == done.returncode
    assert "  TOLERATED  network back" in done.stdout


def test_up_starts_waits_and_proves_and_down_takes_away(lab: Lab) -> None:
    document = three_tiers()
    for body in document["services"].values():
        body["healthcheck"] = {"test": ["CMD", "true"], "interval": "1s"}
    lab.write(document)

    up = cloison(lab, "up", *lab.selection.options, "--force-recreate")
    again = cloison(lab, "up", *lab.selection.options)
    down = cloison(lab, "down", *lab.selection.options, "--volumes")

    assert (0, True) == (up.returncode, up.stdout.startswith("PROVEN")), up.stderr
    assert (0, 0) == (again.returncode, down.returncode)
    assert "" == docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={lab.name}")


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [({"allow": ["proxy -> nobody:80"]}, "x-cloison.allow[0]"), (None, "the Compose file cannot be resolved")],
)
def test_up_starts_nothing_for_a_file_that_is_wrong(lab: Lab, policy: dict[str, Any] | None, sentence: str) -> None:
    if policy:
        lab.write(three_tiers() | {"x-cloison": policy})

    done = cloison(lab, "up", *lab.selection.options)

    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr
    assert "" == docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={lab.name}")


def test_up_that_does_not_come_up_is_not_proven(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["app"]["entrypoint"] = ["false"]
    document["services"]["app"]["healthcheck"] = {"test": ["CMD", "false"], "interval": "1s", "retries": 1}
    lab.write(document)

    done = cloison(lab, "up", *lab.selection.options)

    assert (3, "") == (done.returncode, done.stdout)
    assert "docker compose logs" in done.stderr


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"allow": ["proxy -> apii:5000"]}, 'x-cloison.allow[0]: no service "apii" (did you mean "app"?)'),
        ({"allow": ["proxy -> app:5001"]}, 'x-cloison.allow[0]: service "app" has no port 5001/tcp; it has 5000/tcp'),
        ({"allow": ["proxy to app"]}, "x-cloison.allow[0]: 'proxy to app' is not a flow"),
        ({"allow": ["host -> outside"]}, 'x-cloison.allow[0]: "host -> outside" matches no flow of this project'),
        ({"tolerate": [{"network": "bakc", "why": "x"}]}, 'no network "bakc" (did you mean "back"?)'),
        ({"tolerate": [{"network": "back"}]}, "x-cloison.tolerate[0]: the toleration gives no reason"),
        ({"alow": []}, 'x-cloison: no key "alow" (did you mean "allow"?)'),
    ],
)  # fmt: skip
def test_an_invalid_policy_is_an_error(tiers: Lab, policy: dict[str, Any], sentence: str) -> None:
    document = json.loads((tiers.folder / "compose.json").read_text()) | {"x-cloison": policy}
    (tiers.folder / "wrong.json").write_text(json.dumps(document))

    done = cloison(tiers, "prove", "-f", "wrong.json", "-p", tiers.name)

    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("prove", "-f", "nowhere.yml"), 2, "nowhere.yml"),
        (("prove", "--format", "pdf"), 2, 'no report "pdf"; choose from terminal, json'),
        (("prove", "--format", "terminal,json"), 2, "say with --output where json goes"),
        (("prove", "--format", "json", "-o", "no/where.json"), 2, "there is no directory no"),
        (("prove", "-o", "x"), 2, "Add --format json"),
        (("prove", "--timeout", "0"), 2, "--timeout"),
        (("prov",), 2, 'no command "prov" (did you mean "prove"?)'),
        ((), 2, "Usage:"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(tiers: Lab, words: tuple[str, ...], code: int, sentence: str) -> None:
    done = cloison(tiers, *words)

    assert (code, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_progress_is_for_a_terminal_and_colour_can_be_refused(tiers: Lab) -> None:
    shown = {}
    for refused in ("", "1"):
        master, slave = pty.openpty()
        words = [COMMAND, "prove", *tiers.selection.options]
        env = os.environ | {"NO_COLOR": refused, "TERM": "xterm-256color"}
        with subprocess.Popen(words, stdout=slave, stderr=slave, env=env) as process:
            os.close(slave)
            shown[refused] = _all_of(master)
        assert 0 == process.returncode

    assert "probing" in shown[""]
    assert "\x1b[32" in shown[""] or "\x1b[1;32" in shown[""]
    assert "PROVEN" in shown["1"]
    assert "\x1b[1;32" not in shown["1"]


def _all_of(master: int) -> str:
    said = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other side has closed
            break
        said += part
    os.close(master)
    return said.decode()


def test_a_profile_that_is_not_asked_for_is_not_missed(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["extra"] = document["services"]["app"] | {"profiles": ["more"]}
    document["x-cloison"] = POLICY
    lab.up(document)

    assert 0 == cloison(lab, "prove", *lab.selection.options).returncode
    assert 3 == cloison(lab, "prove", *lab.selection.options, "--profile", "more").returncode
