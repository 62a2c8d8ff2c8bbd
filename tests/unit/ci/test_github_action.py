"""The GitHub action: its scripts run on a repository of the tests, with a `gh` that records what it is asked."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML
from tests.unit.ci.repository import BASE, HEAD, ROOT, Repository, made

ACTION: Final[dict[str, Any]] = YAML(typ="safe").load((ROOT / "action.yml").read_text())
STEPS: Final[dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
PLAN: Final = str(ROOT / "ci" / "plan.sh")
GITHUB: Final = str(ROOT / "ci" / "github.sh")
FAKE_GH: Final = """\
#!/bin/sh
echo "$@" >>"$GH_LOG"
case $GH_ANSWER in fail) exit 1 ;; *) printf '%s' "$GH_ANSWER" ;; esac
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return made(tmp_path / "shop")


def test_a_change_for_the_worse_fails_and_is_the_comment(repository: Repository, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = repository.run(PLAN, str(out), repository.base)

    assert 1 == done.returncode, done.stderr
    comment = (out / "comment.md").read_text()
    assert comment.startswith("<!-- cloison plan -->\n### ❌ WORSE · shop · plan ")
    assert "worse than the baseline" in done.stderr
    assert 1 == len(repository.run("git", "worktree", "list").stdout.splitlines())


def test_known_breaches_pass(tmp_path: Path) -> None:
    repository = made(tmp_path / "shop", HEAD, BASE)
    done = repository.run(PLAN, str(tmp_path / "out"), repository.base)

    assert 0 == done.returncode, done.stderr
    assert "### ✅ CHANGED" in (tmp_path / "out" / "comment.md").read_text()


def test_without_a_base_every_breach_fails(repository: Repository, tmp_path: Path) -> None:
    done = repository.run(PLAN, str(tmp_path / "out"))

    assert 1 == done.returncode
    assert "### ❌ BREACHED" in (tmp_path / "out" / "comment.md").read_text()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"plan.json", "plan.md", "plan.sarif", "plan.junit.xml", "comment.md"} == names


def test_a_base_without_a_compose_file_is_no_baseline(tmp_path: Path) -> None:
    repository = made(tmp_path / "shop", base="")
    done = repository.run(PLAN, str(tmp_path / "out"), repository.base)

    assert 1 == done.returncode
    assert "cloison: the base has no plan, so every breach counts: " in done.stderr


def test_options_are_those_of_both_plans(repository: Repository, tmp_path: Path) -> None:
    done = repository.run(PLAN, str(tmp_path / "out"), repository.base, "--", "-f", "compose.yml", "--strict")

    assert 1 == done.returncode, done.stderr
    assert json.loads((tmp_path / "out" / "diff.json").read_text())["strict"]


def test_a_file_that_compose_rejects_is_an_error_without_a_comment(tmp_path: Path) -> None:
    repository = made(tmp_path / "shop", head="services: [")
    done = repository.run(PLAN, str(tmp_path / "out"), repository.base)

    assert 2 == done.returncode
    assert not (tmp_path / "out" / "comment.md").exists()


@pytest.fixture
def github(repository: Repository, tmp_path: Path) -> Any:
    """Return a function that runs ci/github.sh with an answer of `gh`: its exit code, its output, what was asked."""
    (tmp_path / "bin").mkdir()
    gh = tmp_path / "bin" / "gh"
    gh.write_text(FAKE_GH)
    gh.chmod(0o755)
    out = tmp_path / "out"
    out.mkdir()
    (out / "comment.md").write_text("x")
    (out / "plan.sarif").write_text("{}")

    def run(verb: str, answer: str) -> tuple[int, str, str]:
        log = tmp_path / "log"
        done = repository.run(
            GITHUB,
            verb,
            str(out),
            first=str(tmp_path / "bin"),
            GH_LOG=str(log),
            GH_ANSWER=answer,
            GITHUB_REPOSITORY="o/r",
            GITHUB_SHA="abc",
            GITHUB_REF="refs/pull/7/merge",
            PULL_REQUEST="7",
        )
        return done.returncode, done.stdout, log.read_text()

    return run


def test_the_first_comment_is_new(github: Any) -> None:
    code, _, asked = github("comment", "")

    assert (0, True) == (code, "--method POST repos/o/r/issues/7/comments -F body=@" in asked)


def test_the_next_comment_replaces_the_first(github: Any) -> None:
    code, _, asked = github("comment", "42\n")

    assert (0, True) == (code, "--method PATCH repos/o/r/issues/comments/42 -F body=@" in asked)


@pytest.mark.parametrize("verb", ["comment", "sarif"])
def test_a_token_that_may_not_write_is_a_warning(github: Any, verb: str) -> None:
    code, out, _ = github(verb, "fail")

    assert 0 == code
    assert out.startswith("::warning title=cloison::The ")


def test_the_sarif_file_is_packed_as_the_api_wants_it(github: Any, tmp_path: Path) -> None:
    code, _, asked = github("sarif", "")

    packed = (tmp_path / "out" / "plan.sarif.gz.base64").read_bytes()
    assert (0, b"{}") == (code, gzip.decompress(base64.b64decode(packed)))
    assert "-f commit_sha=abc -f ref=refs/pull/7/merge -F sarif=@" in asked


def test_an_unknown_verb_is_an_error(repository: Repository) -> None:
    assert 2 == repository.run(GITHUB, "other").returncode


def test_no_input_is_pasted_into_a_script() -> None:
    assert not [name for name, step in STEPS.items() if "${{" in step.get("run", "")]


def test_every_input_is_used_and_described() -> None:
    text = (ROOT / "action.yml").read_text()

    assert all(f"inputs.{name}" in text and body["description"] for name, body in ACTION["inputs"].items())


def test_the_scripts_of_the_action_exist_and_no_other_action_is_used() -> None:
    text = (ROOT / "action.yml").read_text()
    scripts = set(re.findall(r"\$GITHUB_ACTION_PATH/(\S+?)\"", text))

    assert {"ci/install.sh", "ci/plan.sh", "ci/github.sh"} == scripts
    assert all((ROOT / script).stat().st_mode & 0o111 for script in scripts)
    assert not [step for step in STEPS.values() if "uses" in step]


def test_the_step_of_the_plan_passes_lines_of_options_and_keeps_the_exit_code(
    repository: Repository, tmp_path: Path
) -> None:
    outputs, summary = tmp_path / "outputs", tmp_path / "summary"
    done = repository.run(
        "bash",
        "-eo",
        "pipefail",
        "-c",
        STEPS["Plan"]["run"],
        GITHUB_ACTION_PATH=str(ROOT),
        REPORTS=str(tmp_path / "reports"),
        BASE="",
        OPTIONS="-f\ncompose.yml\n\n--strict\n",
        GITHUB_OUTPUT=str(outputs),
        GITHUB_STEP_SUMMARY=str(summary),
    )

    assert 0 == done.returncode, done.stderr
    assert "exit-code=1\n" == outputs.read_text()
    assert "BREACHED" in summary.read_text()
    assert 1 == repository.run("bash", "-c", STEPS["Result"]["run"], CODE="1").returncode
