"""The template for GitLab, the hook of pre-commit and the units of systemd, as far as they run without their hosts."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML
from tests.unit.ci.repository import ROOT, Repository, made

GITLAB: Final[dict[str, Any]] = YAML(typ="safe").load((ROOT / "ci" / "gitlab.yml").read_text())
HOOK: Final[dict[str, Any]] = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]
UNITS: Final = sorted((ROOT / "contrib" / "systemd").iterdir())
VERSION: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made_one = made(tmp_path / "shop")
    subprocess.run(["git", "remote", "add", "origin", str(made_one.folder)], cwd=made_one.folder, check=True)
    return made_one


def gitlab(repository: Repository, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the lines of the job's script as GitLab's runner does: one shell that ends at the first error."""
    script = "\n".join(["set -eo pipefail", *GITLAB["cloison"]["script"]])
    return repository.run("bash", "-c", script, **{"CLOISON_OPTIONS": "", **variables})


def test_a_merge_request_fails_for_what_is_worse(repository: Repository) -> None:
    done = gitlab(repository, CI_MERGE_REQUEST_DIFF_BASE_SHA=repository.base)

    assert 1 == done.returncode, done.stderr
    assert "worse than the baseline" in done.stderr
    names = {path.name for path in (repository.folder / "cloison-reports").iterdir()}
    assert {"base.json", "plan.json", "plan.md", "plan.junit.xml", "diff.json", "diff.md"} == names


def test_a_branch_fails_for_every_breach(repository: Repository) -> None:
    assert 1 == gitlab(repository, CLOISON_OPTIONS="-f compose.yml").returncode


def test_the_artifact_is_a_file_that_the_script_writes(repository: Repository) -> None:
    gitlab(repository)

    assert (repository.folder / GITLAB["cloison"]["artifacts"]["reports"]["junit"]).is_file()


def test_the_template_pins_this_version() -> None:
    assert f"cloison=={VERSION}" == GITLAB["variables"]["CLOISON_PACKAGE"]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("compose.yml", True),
        ("compose.yaml", True),
        ("deploy/docker-compose.prod.yml", True),
        ("compose.override.yml", True),
        ("mycompose.yml", False),
        ("compose.json", False),
        ("compose/readme.yml", False),
    ],
)
def test_the_hook_runs_for_compose_files(name: str, is_one: bool) -> None:
    assert is_one == bool(re.search(HOOK["files"], name))


@pytest.mark.parametrize("args", [[], ["--"], ["-f", "compose.yml"], ["-f", "compose.yml", "--"]])
def test_the_hook_runs_with_any_arguments_that_its_user_gives(repository: Repository, args: list[str]) -> None:
    done = repository.run(*HOOK["entry"].split(), *args)

    assert (1, "") == (done.returncode, done.stderr)


def test_the_hook_gets_no_names_of_files() -> None:
    assert HOOK["pass_filenames"] is False


def test_the_units_are_valid(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed, so the units are not verified")
    for unit in UNITS:
        text = unit.read_text().replace("/usr/local/bin/cloison", "/bin/true")
        (tmp_path / unit.name.replace("@", "@shop")).write_text(text)
    (tmp_path / "docker.service").write_text("[Service]\nExecStart=/bin/true\n")
    names = [str(path) for path in tmp_path.iterdir()]
    done = subprocess.run(["systemd-analyze", "verify", *names], check=False, capture_output=True, text=True)

    lines = [line for line in done.stderr.splitlines() if "cloison" in line]
    assert [] == lines
    assert 0 == done.returncode, done.stderr


def test_the_timer_starts_the_service_of_the_same_instance() -> None:
    names = ["closed.service", "prove@.service", "prove@.timer", "watch.service", "watch@.service"]
    assert [f"cloison-{name}" for name in names] == [unit.name for unit in UNITS]
