"""The repository's own stack, planned as a pull request of it would be: no engine, no root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from cloison.plan.schema import parse, schema
from cloison.proof.schema import canonical, digest

ROOT: Final = Path(__file__).parents[3]
COMMAND: Final = str(Path(sys.executable).parent / "cloison")
NOBODY: Final = 65534
NOWHERE: Final = "tcp://127.0.0.1:9"
"""The discard port of this machine: no engine answers there."""


def plan(*words: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Plan as an ordinary user, without an engine."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("COMPOSE_", "DOCKER_"))}
    return subprocess.run(
        [*_ordinary(), COMMAND, "plan", *words],
        cwd=folder,
        env={**clean, "DOCKER_HOST": NOWHERE, **environment},
        check=False,
        capture_output=True,
        text=True,
    )


def _ordinary() -> list[str]:
    """Return the words that take root away, where the tests have it.

    Reading everything stays: the interpreter may lie in root's own folder, and a plan only reads.
    """
    if os.geteuid() != 0:
        return []
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all,+dac_read_search"]
    return ["setpriv", *user, "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]


def test_the_stack_is_sound_and_its_proposal_splits_the_network_that_is_too_wide() -> None:
    done = plan("--format", "json")

    assert 0 == done.returncode
    assert done.stderr.startswith("SOUND  ")
    found = parse(done.stdout.encode())
    proposal = found.proposal
    assert proposal
    assert ("sound", 0) == (found.verdict.word, found.verdict.exit_code)
    assert [
        ("app-proxy", True, ["app", "proxy"], True),
        ("backend_net", True, ["app", "db"], False),
        ("frontend_net", False, ["proxy"], False),
    ] == [(n.key, n.internal, n.members, n.is_new) for n in proposal.networks]
    assert ["db -> proxy", "proxy -> db"] == proposal.shuts
    assert ([], [], True) == (proposal.opens, proposal.leaves_open, proposal.exact)


def test_the_proposal_can_be_laid_over_the_file_and_is_then_the_smallest(tmp_path: Path) -> None:
    first = parse(plan("--format", "json").stdout.encode())
    assert first.proposal
    over = tmp_path / "over.yml"
    over.write_text(first.proposal.yaml)

    again = parse(plan("-f", "compose.yml", "-f", str(over), "--format", "json").stdout.encode())

    assert again.proposal is None
    attachments = {part.name: [name.partition("_")[2] for name in part.networks] for part in again.project.services}
    assert {
        "app": ["app-proxy", "backend_net"],
        "db": ["backend_net"],
        "proxy": ["app-proxy", "frontend_net"],
    } == attachments


def test_the_report_says_predicted_and_never_proven() -> None:
    done = plan()

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("SOUND  tp-networks · predicted for docker 20.10 · ")
    assert "\x1b" not in done.stdout
    assert not any(word in done.stdout for word in ("PROVEN", "proven", "sha256:None", "was accepted"))


def test_the_digest_is_the_checksum_of_the_file_and_two_runs_are_alike() -> None:
    one, other = (plan("--format", "json") for _ in range(2))

    assert one.stdout == other.stdout
    assert canonical(parse(one.stdout.encode())).decode() == one.stdout
    assert digest(parse(one.stdout.encode())) in plan().stdout
    jsonschema.validate(json.loads(one.stdout), schema())


def test_strict_fails_on_what_is_tolerated() -> None:
    assert 1 == plan("--strict").returncode


@pytest.mark.parametrize("engine", ["28.0", "29.1.3"])
def test_the_stack_is_sound_on_newer_engines(engine: str) -> None:
    done = plan("--engine", engine)

    assert 0 == done.returncode
    assert f"for docker {engine}" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("-f", "nowhere.yml"), 2, "nowhere.yml"),
        (("--format", "html"), 2, 'no report "html"; choose from terminal, json'),
        (("--format", "terminal,json"), 2, "say with --output where json goes"),
        (("--engine", "newest"), 2, '"newest" is not a version of Docker Engine; write it like 20.10 or 28.0'),
        (("--external", "host"), 2, "--external"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(words: tuple[str, ...], code: int, sentence: str) -> None:
    done = plan(*words)

    assert (code, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_without_compose_it_says_what_is_missing(tmp_path: Path) -> None:
    done = plan(PATH=_without_docker(tmp_path))

    assert (3, "") == (done.returncode, done.stdout)
    assert (
        "cloison: Docker Compose v2 is not installed; see https://docs.docker.com/compose/install/linux/\n"
        == done.stderr
    )


def _without_docker(folder: Path) -> str:
    if found := shutil.which("setpriv"):
        (folder / "setpriv").symlink_to(found)
    return str(folder)


@pytest.mark.parametrize(
    ("policy", "code", "sentence"),
    [
        ({"allow": ["b -> a"]}, 0, "SOUND"),
        ({"allow": []}, 1, "BREACHED"),
        ({"allow": ["b -> c"]}, 2, 'x-cloison.allow[0]: no service "c"'),
        ({"allow": ["host -> outside"]}, 2, 'x-cloison.allow[0]: "host -> outside" matches no flow of this project'),
        (None, 0, "DRAWN"),
    ],
)  # fmt: skip
def test_the_exit_code_is_the_verdict(tmp_path: Path, policy: dict[str, Any] | None, code: int, sentence: str) -> None:
    tolerated = {"tolerate": [{"flow": "a -> b", "why": "x"}, {"flow": "* -> host", "why": "x"}]}
    rules = {"x-cloison": policy | tolerated} if policy else {}
    if policy == {"allow": []}:
        rules = {"x-cloison": policy}
    document = {"services": {name: {"image": "x"} for name in "ab"}, "networks": {"default": {"internal": True}}}
    (tmp_path / "compose.json").write_text(json.dumps(document | rules))

    done = plan("-f", "compose.json", folder=tmp_path)

    assert code == done.returncode, done.stderr
    assert sentence in done.stdout + done.stderr


def test_an_external_network_of_unknown_kind_is_undecided(tmp_path: Path) -> None:
    document = {"services": {"a": {"image": "x", "networks": ["edge"]}}, "networks": {"edge": {"external": True}}}
    (tmp_path / "compose.json").write_text(json.dumps(document))

    codes = [plan("-f", "compose.json", *words, folder=tmp_path).returncode for words in ((), ("--external", "bridge"))]

    assert [3, 0] == codes


def test_the_document_goes_where_it_is_sent() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are root's alone
        Path(folder).chmod(0o777)
        done = plan("--format", "terminal,json", "-o", folder)

        assert 0 == done.returncode, done.stderr
        assert digest(parse((Path(folder) / "plan.json").read_bytes())) in done.stdout
