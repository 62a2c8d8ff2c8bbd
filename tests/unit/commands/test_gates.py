"""What makes a verb fail, which policy counts, and how much is shown: the options of a gate."""

from __future__ import annotations

import errno
import io
import json
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from tests.unit.reports.sample_proofs import PROOFS

from cloison.cli import cloison, run
from cloison.commands.options import FAIL_ON
from cloison.engine import compose_cli
from cloison.proof.schema import canonical
from cloison.workflow import policy_source

COMPOSE = """\
services:
  web: {image: web, networks: [front], ports: ["8080:80"]}
  db: {image: db, networks: [front], expose: ["3306"]}
networks:
  front: {}
"""
ALLOWED = "allow: [outside -> web:80]\n"
TOLERANT = """\
x-cloison:
  allow: [outside -> web:80]
  tolerate:
    - {network: front, why: one network}
    - {flow: "* -> host", why: the host answers}
    - {flow: "* -> outside", why: egress}
    - {flow: db -> web, why: the port of the host}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Compose file without a policy."""
    (tmp_path / "compose.yml").write_text(COMPOSE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    compose_cli.stdin_text.cache_clear()
    policy_source.warn.cache_clear()
    return tmp_path


def stored(name: str, folder: Path) -> str:
    path = folder / f"{name}.json"
    path.write_bytes(canonical(PROOFS[name]()))
    return str(path)


def code_of(*words: str) -> Any:
    """Run a verb and return its exit code."""
    return cloison.main([*words], standalone_mode=False)


# What makes it fail.


@pytest.mark.parametrize(
    ("name", "fail_on", "code"),
    [
        ("breach", "breach", 1),
        ("breach", "breach,unknown", 1),
        ("breach", "drift", 1),
        ("breach", "tolerated", 1),
        ("breach", "unknown", 0),
        ("breach", "none", 0),
        ("broken", "breach", 1),
        ("unknown", "unknown", 3),
        ("unknown", "breach", 0),
        ("unknown", "none", 0),
        ("tolerated", "breach,unknown,drift", 0),
        ("tolerated", "tolerated", 1),
        ("holds", "breach,unknown,drift,tolerated", 0),
    ],
)
def test_the_exit_code_is_what_fails(name: str, fail_on: str, code: int, project: Path) -> None:
    assert code == code_of("report", stored(name, project), "--quiet", "--fail-on", fail_on)


@pytest.mark.parametrize("name", sorted(PROOFS))
def test_without_the_option_it_is_that_of_the_verdict(name: str, project: Path) -> None:
    assert PROOFS[name]().verdict.exit_code == code_of("report", stored(name, project), "--quiet")


def test_options_add_up_and_strict_too(project: Path) -> None:
    held = stored("tolerated", project)

    assert 1 == code_of("report", held, "-q", "--fail-on", "unknown", "--fail-on", "tolerated")
    assert 1 == code_of("report", held, "-q", "--strict")
    assert 1 == code_of("report", held, "-q", "--strict", "--fail-on", "none")


@pytest.mark.parametrize("words", ["nothing", "none,breach", "breach,all", "", ","])
def test_what_cannot_fail_is_a_usage_error(words: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run(["report", stored("holds", project), "--fail-on", words])
    assert "--fail-on" in capsys.readouterr().err


PROFILED = COMPOSE.replace("db: {", "db: {profiles: [dev], ")
NAMES_DB = "allow: [web -> db:3306]\n"


@pytest.mark.parametrize("is_file", [False, True])
def test_a_policy_that_names_a_service_without_its_profile_says_which_to_add(
    project: Path, capsys: pytest.CaptureFixture[str], *, is_file: bool
) -> None:
    (project / "compose.yml").write_text(PROFILED + ("" if is_file else f"x-cloison: {{{NAMES_DB.strip()}}}\n"))
    (project / "policy.yml").write_text(NAMES_DB)
    words = ["plan", "--quiet", *(["--policy", "policy.yml"] if is_file else [])]

    assert 2 == run(words)
    said = capsys.readouterr().err
    assert """x-cloison.allow[0]: service "db" has a profile that is not active; add --profile dev, or""" in said
    assert is_file == ("policy.yml: " in said)
    assert 2 != run([*words, "--profile", "dev"])


def test_help_names_everything_to_fail_on(capsys: pytest.CaptureFixture[str]) -> None:
    code_of("plan", "--help")

    assert ", ".join(FAIL_ON) in " ".join(capsys.readouterr().out.split())


# How much is shown.


def test_quiet_is_one_line_with_the_verdict(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code_of("report", stored("breach", project), "-q")
    out, err = capsys.readouterr()

    assert ("BREACHED  shop: 30 connections: 8 breach, 9 tolerated, 6 not judged, 7 hold\n", "") == (out, err)


def test_a_plan_is_quiet_too(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    assert 0 == code_of("plan", "--quiet", "-p", "shop")

    assert capsys.readouterr().out == "AS DRAWN  shop: 16 connections: 4 not judged, 12 hold\n"


def test_the_report_ends_with_the_same_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = stored("breach", project)
    code_of("report", held, "-q")
    line = capsys.readouterr().out
    code_of("report", held)

    assert capsys.readouterr().out.endswith(f"\n{line}")


def test_the_verdict_is_on_stderr_where_no_terminal_report_is(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = stored("breach", project)
    code_of("report", held, "--format", "json", "-o", "copy.json")
    out, err = capsys.readouterr()

    assert ("", 1) == (out, err.count("BREACHED  shop: 30 connections"))


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(("term", "colours"), [("xterm", True), ("dumb", False)])
def test_the_terminal_decides_about_colours(
    project: Path, monkeypatch: pytest.MonkeyPatch, term: str, colours: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = Terminal()
    monkeypatch.setattr("sys.stdout", shown)
    code_of("report", stored("breach", project))

    assert colours is ("\x1b[" in shown.getvalue())


def test_a_report_in_a_file_has_its_verdict_on_the_terminal(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Terminal()
    monkeypatch.setattr("sys.stderr", said)
    code_of("report", stored("breach", project))

    assert said.getvalue().startswith("BREACHED  shop:")


@pytest.mark.parametrize("option", ["--full", "--all"])
def test_a_full_report_leaves_nothing_out(option: str, capsys: pytest.CaptureFixture[str], project: Path) -> None:
    held = stored("twelve", project)
    code_of("report", held)
    short = capsys.readouterr().out
    code_of("report", held, option)
    full = capsys.readouterr().out

    assert "--full shows all" in short
    assert "--full shows all" not in full
    assert len(full.splitlines()) > len(short.splitlines())


# Which policy counts.


def test_a_required_policy_that_is_missing_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run(["plan", "--require-policy"])

    assert "no policy (x-cloison), and --require-policy needs one" in capsys.readouterr().err


def test_a_required_policy_may_be_that_of_the_compose_file_or_of_a_file(project: Path) -> None:
    (project / "policy.yml").write_text(TOLERANT)

    assert 0 == code_of("plan", "-q", "--require-policy", "--policy", "policy.yml")
    (project / "compose.yml").write_text(COMPOSE + TOLERANT)
    assert 0 == code_of("plan", "-q", "--require-policy")


@pytest.mark.parametrize("policy", [ALLOWED, f"x-cloison: {{{ALLOWED.strip()}}}", '{"allow": ["outside -> web:80"]}'])
def test_a_file_of_its_own_replaces_the_policy_of_the_compose_file(policy: str, project: Path) -> None:
    (project / "policy.yml").write_text(policy)
    (project / "compose.yml").write_text(COMPOSE + TOLERANT)

    assert 0 == code_of("plan", "-q")
    assert 1 == code_of("plan", "-q", "--policy", "policy.yml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "services: {}\n",
            "policy.yml: no policy is in it; its top level is x-cloison, or allow, enforce, groups and tolerate",
        ),
        ("[]\n", "policy.yml: no policy is in it"),
        ("x-cloison:\n", "policy.yml: no policy is in it"),
        ("allow: [web -> wbe]\n", 'policy.yml: x-cloison.allow[0]: no service "wbe" (did you mean "web"?)'),
        ("allow: [outside -> web:81]\n", 'policy.yml: x-cloison.allow[0]: service "web" publishes no port 81/tcp'),
        ("allow: [\n", "policy.yml: the file is not YAML"),
        ("allow: !!python/object:os.system [x]\n", "policy.yml: the file is not YAML"),
        ("\x00", "policy.yml: the file is not YAML"),
    ],
)
def test_a_file_without_a_policy_of_this_project_is_an_error(
    text: str, sentence: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "policy.yml").write_text(text)

    assert 2 == run(["plan", "--policy", "policy.yml"])
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(("name", "why"), [("nowhere.yml", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_an_error(name: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run(["plan", "--policy", name])
    assert f"{name}: the file could not be read: {why}" in capsys.readouterr().err


def test_a_file_that_is_not_text_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "policy.yml").write_bytes(b"\xff\xfe\x00a")

    assert 2 == run(["plan", "--policy", "policy.yml"])
    assert "policy.yml: the file is not UTF-8 text" in capsys.readouterr().err


@pytest.mark.parametrize(
    "include",
    ["[lab/db.yml]", "[{path: lab/db.yml}]", "[{path: [lab/other.yml, lab/db.yml]}]", "[lab/deep.yml]"],
)
def test_a_policy_that_compose_drops_from_an_included_file_is_an_error(
    include: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "lab").mkdir()
    (project / "lab/db.yml").write_text(COMPOSE.replace("web", "other").replace("8080", "8081") + TOLERANT)
    (project / "lab/other.yml").write_text("services: {x: {image: x, ports: !reset []}}\n")
    (project / "lab/deep.yml").write_text("include: [db.yml]\nservices: {y: {image: x}}\n")
    (project / "compose.yml").write_text(f"include: {include}\nservices: {{z: {{image: z}}}}\n")

    assert 2 == run(["plan"])
    said = capsys.readouterr().err
    assert "db.yml: Compose drops the policy (x-cloison) of an included file" in said
    assert "name a file with --policy" in said


def test_with_a_policy_of_its_own_nothing_is_lost(project: Path) -> None:
    (project / "policy.yml").write_text("allow: ['outside -> web:80']\n")
    (project / "shared.yml").write_text(COMPOSE + TOLERANT)
    (project / "compose.yml").write_text("include: [shared.yml]\nservices: {x: {image: x, network_mode: none}}\n")

    assert 1 == code_of("plan", "-q", "--policy", "policy.yml")


def test_a_gate_names_the_services_that_a_profile_hides(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hidden = "  evil: {image: evil, networks: [front], profiles: [x]}\nnetworks:"
    (project / "compose.yml").write_text(COMPOSE.replace("networks:\n", f"{hidden}\n") + TOLERANT)

    assert 0 == run(["plan", "-q"])
    assert "not looked at" not in capsys.readouterr().err
    assert 0 == run(["plan", "-q", "--require-policy"])
    assert "not looked at, because no profile of theirs is active: evil; --profile '*'" in capsys.readouterr().err
    run(["plan", "-q", "--require-policy", "--profile", "*"])
    assert "not looked at" not in capsys.readouterr().err


def test_an_included_file_without_a_policy_is_no_error(project: Path) -> None:
    (project / "shared.yml").write_text(COMPOSE)
    (project / "compose.yml").write_text("include: [shared.yml, shared.yml]\nservices: {x: {image: x}}\n")

    assert 0 == code_of("plan", "-q")


# Where the file is.


@pytest.mark.parametrize(
    "wrong", ["x-cloisons: {allow: []}", "x-cloison: 5", "x-cloison:", "volumes: {v: {x-cloison: {}}}"]
)
def test_with_a_policy_of_its_own_no_policy_of_the_compose_file_is_an_error(wrong: str, project: Path) -> None:
    (project / "policy.yml").write_text(TOLERANT)
    (project / "compose.yml").write_text(f"{COMPOSE}{wrong}\n")

    assert 2 == run(["plan", "-q"])
    assert 0 == run(["plan", "-q", "--policy", "policy.yml"])


@pytest.mark.parametrize(
    "member",
    ["    x-cloison:\n      allow: []\n", '    "x-cloison": {allow: []}\n', "    labels: {a: b}\n    x-cloison: 5\n"],
)
def test_a_policy_inside_a_service_is_an_error_although_compose_drops_it(
    member: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "compose.yml").write_text(f"services:\n  web:\n    image: web\n{member}")

    assert 2 == run(["plan", "-q"])
    assert "compose.yml: services.web.x-cloison: the policy belongs at the top level" in capsys.readouterr().err


def test_the_dropped_policy_of_a_file_that_the_env_file_or_stdin_includes_is_an_error(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "shared.yml").write_text(COMPOSE + TOLERANT)
    (project / "main.yml").write_text("include: [shared.yml]\nservices: {x: {image: x}}\n")
    (project / ".env").write_text("COMPOSE_FILE=${NAME:-main}.yml\n")
    monkeypatch.setattr("sys.stdin", io.StringIO((project / "main.yml").read_text()))

    for words in ([], ["-f", "-"]):
        assert 2 == run(["plan", "-q", *words])
        assert "shared.yml: Compose drops the policy" in capsys.readouterr().err


def test_an_included_file_whose_name_only_compose_knows_is_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "shared.yml").write_text(COMPOSE + TOLERANT)
    (project / "compose.yml").write_text("include: ['${X:-shared.yml}']\nservices: {x: {image: x}}\n")

    assert 0 == run(["plan", "-q"])
    assert "${X:-shared.yml}, which compose.yml includes, is not read here" in capsys.readouterr().err.replace(
        f"{project}/", ""
    )


def test_without_its_environment_files_it_is_still_the_file_that_the_env_file_names(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / ".env").write_text("COMPOSE_FILE=other.yml\n")
    (project / "other.yml").write_text(COMPOSE.replace("image: db,", "image: db, env_file: missing.env,") + TOLERANT)

    assert 0 == run(["plan", "-q", "--require-policy"]), "compose.yml has no policy"
    (project / ".env").write_text("# COMPOSE_FILE=other.yml\n")
    assert 2 == run(["plan", "-q", "--require-policy"]), "a comment names no file"
    (project / ".env").write_text("COMPOSE_FILE=${\n")
    assert 2 == run(["plan", "-q"])


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_report_does_not_replace_a_link_or_a_pipe(kind: str, project: Path) -> None:
    path = project / "out.json"
    if kind == "link":
        path.symlink_to("target.json")
    else:
        os.mkfifo(path)
    with path.open("rb+", buffering=0) if kind == "pipe" else nullcontext() as pipe:
        assert 0 == code_of("report", stored("holds", project), "--format", "json", "--output", str(path))
        content = pipe.read(1_000_000) if pipe else (project / "target.json").read_bytes()

    assert canonical(PROOFS["holds"]()) == content
    assert path.is_symlink() or path.is_fifo()


def test_a_report_that_cannot_be_written_leaves_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = stored("holds", project)
    before = sorted(project.iterdir())

    def broken(_: Path, __: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", broken)

    assert 2 == run(["report", held, "--format", "json", "--output", "out.json"])
    assert before == sorted(project.iterdir())


def test_a_file_comes_from_stdin(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(COMPOSE.replace("db", "base")))

    assert 0 == code_of("plan", "-f", "-", "--format", "json")
    assert {"base", "web"} == {part["name"] for part in json.loads(capsys.readouterr().out)["project"]["services"]}


def test_a_folder_without_a_file_is_an_error_that_says_what_to_do(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "compose.yml").unlink()

    assert 2 == run(["plan"])
    said = capsys.readouterr().err
    assert said.startswith("cloison: the Compose file cannot be resolved: no configuration file provided")
    assert said.endswith("Go to its folder, name it with --file, or name a project that runs with --project-name\n")


def test_a_closed_stdin_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", None)

    assert 2 == run(["plan", "-f", "-"])
    assert "stdin is closed" in capsys.readouterr().err


def test_the_project_directory_is_composes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)

    assert 0 == code_of("plan", "-q", "--project-directory", str(project))
    assert 0 == code_of("plan", "-q", "--project-directory", "..")
