"""The exit code and the message of every end that nobody expected; the real command runs in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest
from tests.unit.reports.sample_proofs import fully_allowed

from cloison import errors
from cloison.proof.schema import canonical

COMMAND: Final = (sys.executable, "-c", "from cloison.entry import main; main()")
"""What an installed script runs."""
SOURCE: Final = str(Path(errors.__file__).parents[1])
PLAN: Final = ("plan", "--file", "compose.json")
FILE: Final[Mapping[str, Any]] = {
    "name": "x",
    "services": {
        "web": {
            "networks": {"default": None},
            "ports": [{"target": 80, "published": "80", "protocol": "tcp", "mode": "ingress"}],
        }
    },
    "networks": {"default": {"name": "x_default"}},
    "x-cloison": {"allow": ["outside -> web"]},
}


def environment(**more: str) -> dict[str, str]:
    """Return the environment without what an engine or Compose of this machine reads."""
    names = ("COMPOSE_", "DOCKER_", "CLOISON_", "PYTHONIOENCODING")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(names)}
    return clean | {"PYTHONPATH": SOURCE} | more


def run(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=environment(**env),
        check=False,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=60,
    )


def shell(folder: Path, script: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script of sh in which "$@" is the command."""
    return subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, *words],
        cwd=folder,
        env=environment(**env),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def program(folder: Path, name: str, text: str, mode: int = 0o755) -> str:
    """Write a program and return the PATH on which it comes first."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return f"{folder}:{os.environ['PATH']}"


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return the only line on stderr, which is a sentence of the command and no traceback."""
    lines = done.stderr.splitlines()
    assert 1 == len(lines), done.stderr
    assert lines[0].startswith("cloison: ")
    return lines[0].removeprefix("cloison: ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a Compose file and a proof; `docker` on its PATH prints the file as Compose would."""
    (tmp_path / "compose.json").write_text(json.dumps(FILE))
    (tmp_path / "proof.json").write_bytes(canonical(fully_allowed()))
    return tmp_path


@pytest.fixture
def compose(folder: Path) -> str:
    """The PATH with a `docker` that prints the folder's file."""
    return program(folder / "bin", "docker", "#!/bin/sh\ncat compose.json\n")


WHOLE: Final = (PLAN, ("report", "proof.json"), ("report", "proof.json", "--format", "json"), ("--help",))


@pytest.mark.parametrize("words", WHOLE, ids=" ".join)
def test_a_full_disk_behind_stdout_is_no_breach(folder: Path, compose: str, words: tuple[str, ...]) -> None:
    done = shell(folder, '"$@" >/dev/full', *words, PATH=compose)

    assert (3, "stdout: the output could not be written: No space left on device") == (
        done.returncode,
        one_sentence(done),
    )


@pytest.mark.parametrize("words", WHOLE[:3], ids=" ".join)
def test_a_closed_stdout_is_no_breach(folder: Path, compose: str, words: tuple[str, ...]) -> None:
    done = shell(folder, '"$@" >&-', *words, PATH=compose)

    assert 3 == done.returncode
    assert one_sentence(done).startswith("stdout is closed")


@pytest.mark.parametrize("words", WHOLE, ids=" ".join)
def test_a_reader_that_goes_away_is_no_breach(folder: Path, compose: str, words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=folder,
            env=environment(PATH=compose),
            check=False,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writing)

    assert (3, "stdout: the output could not be written: Broken pipe") == (done.returncode, one_sentence(done))


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_other_closed_streams_change_nothing(folder: Path, compose: str, closed: str) -> None:
    done = shell(folder, f'"$@" {closed}', *PLAN, PATH=compose)

    assert (run(folder, *PLAN, PATH=compose).returncode, "") == (done.returncode, done.stderr)
    assert "web" in done.stdout


def test_a_report_in_a_file_needs_no_stdout(folder: Path, compose: str) -> None:
    done = shell(folder, '"$@" >&-', *PLAN, "--format", "json", "--output", "plan.json", PATH=compose)

    assert run(folder, *PLAN, PATH=compose).returncode == done.returncode
    assert done.stderr.startswith("BREACHED  x: ")
    assert (folder / "plan.json").exists()


def test_no_input_on_a_closed_stdin_is_a_usage_error(folder: Path) -> None:
    done = shell(folder, '"$@" <&-', "report", "-")

    assert 2 == done.returncode
    assert "stdin is not a proof" in one_sentence(done)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_an_encoding_without_the_signs_of_a_report_replaces_them(folder: Path, compose: str, encoding: str) -> None:
    done = run(folder, *PLAN, PATH=compose, PYTHONIOENCODING=encoding)

    assert (run(folder, *PLAN, PATH=compose).returncode, "") == (done.returncode, done.stderr)
    assert "web" in done.stdout


def test_a_document_is_utf_8_in_every_encoding(folder: Path) -> None:
    text = (folder / "proof.json").read_text()
    (folder / "proof.json").write_text(text.replace('"name":"shop"', '"name":"café"'), encoding="utf-8")

    done = run(folder, "report", "proof.json", "--format", "json", PYTHONIOENCODING="latin-1")

    assert (folder / "proof.json").read_text() == done.stdout


@pytest.mark.parametrize(
    ("text", "mode"),
    [("#!/bin/sh\n", 0o644), ("", 0o755), ("#!/nowhere/sh\n", 0o755)],
    ids=["mode", "empty", "shebang"],
)
def test_a_program_that_cannot_be_started_is_not_installed(folder: Path, text: str, mode: int) -> None:
    path = program(folder / "bin", "docker", text, mode).partition(":")[0]

    done = run(folder, *PLAN, PATH=path)

    assert 3 == done.returncode
    assert "Docker Compose v2 is not installed" in one_sentence(done)


@pytest.mark.skipif(os.geteuid() != 0, reason="root takes its own rights away here")
def test_an_unsearchable_directory_in_path_is_passed_over(folder: Path) -> None:
    hidden = folder / "hidden"
    hidden.mkdir(mode=0o700)
    code = (
        "from cloison.linux.subprocesses import run\n"
        "import ctypes, os\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "print(run(['no-such-program']).code)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(PATH=f"{hidden}:/nowhere"),
        check=False,
        capture_output=True,
        text=True,
    )

    assert ("127\n", "") == (done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("verb", "printed", "sentence"),
    [
        ("plan", "echo time=now level=debug", "`docker compose config` printed no JSON"),
        ("plan", "echo '[]'", "`docker compose config` printed no JSON object"),
        ("prove", "true", "`docker compose config` printed no JSON"),
        ("rehearse", 'echo \'{"services": {"a": \'', "`docker compose config` printed no JSON"),
    ],
)
def test_a_compose_that_prints_no_json_is_named(folder: Path, verb: str, printed: str, sentence: str) -> None:
    path = program(folder / "bin", "docker", f"#!/bin/sh\n{printed}\n")

    done = run(folder, verb, "--file", "compose.json", PATH=path)

    assert 3 == done.returncode
    assert one_sentence(done).startswith(sentence)


BROKEN: Final = (
    "import cloison.{module} as module\n"
    "def fail(*_, **__): raise KeyError('no such thing')\n"
    "module.{name} = fail\n"
    "from cloison.entry import main\n"
    "main()\n"
)
CRASHES: Final = [
    (PLAN, "plan.planner", "plan"),
    (("report", "proof.json"), "commands.documents", "proof"),
    (("diff", "proof.json", "proof.json"), "diff.compare", "compare"),
    (("compose", "up", "--check=plan", "--file=compose.json", "isolation"), "plan.planner", "plan"),
    (("prove", "--file", "compose.json"), "engine.compose_cli", "resolved"),
    (("rehearse", "--file", "compose.json"), "engine.compose_cli", "resolved"),
    (("up", "--file", "compose.json"), "engine.compose_cli", "resolved"),
    (("down", "--file", "compose.json"), "engine.compose_cli", "down"),
    (("publish", "registry.example/x:1"), "publish.image_reference", "parse_reference"),
]


def crash(folder: Path, words: tuple[str, ...], module: str, name: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a function of the package that fails."""
    code = BROKEN.format(module=module, name=name)
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env=environment(**env),
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(("words", "module", "name"), CRASHES, ids=[words[0] for words, *_ in CRASHES])
def test_an_unexpected_error_is_one_sentence_and_no_breach(
    folder: Path, compose: str, words: tuple[str, ...], module: str, name: str
) -> None:
    done = crash(folder, words, module, name, PATH=compose)

    assert 3 == done.returncode, done.stderr
    assert one_sentence(done).startswith("cloison failed unexpectedly: KeyError: 'no such thing'. Please report it at ")


@pytest.mark.parametrize("how", ["the verb's option", "the command's option", "the variable"])
def test_a_traceback_is_printed_where_it_is_wanted(folder: Path, compose: str, how: str) -> None:
    words = {"the verb's option": (*PLAN, "--debug"), "the command's option": ("--debug", *PLAN)}.get(how, PLAN)
    env = {"CLOISON_DEBUG": "1"} if how == "the variable" else {}

    done = crash(folder, words, "plan.planner", "plan", PATH=compose, **env)

    assert 3 == done.returncode
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("cloison: cloison failed unexpectedly")


def test_a_module_that_is_missing_is_an_unexpected_error(folder: Path) -> None:
    code = "import sys; sys.modules['click'] = None\nfrom cloison.entry import main\nmain()"

    done = subprocess.run([sys.executable, "-c", code], env=environment(), check=False, capture_output=True, text=True)

    assert 3 == done.returncode
    assert "ModuleNotFoundError" in one_sentence(done)


# Signals. The command imports a module, and there the signal comes.

MOMENTS: Final = ("click", "cloison.cli", "cloison.commands.plan", "importlib.metadata", "cloison.plan.planner", "json")
INTERRUPTED_AT: Final = """
import importlib.abc, os, signal, sys
class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {moment!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.{number})
sys.modules.pop({moment!r}, None)
sys.meta_path.insert(0, Hook())
from cloison.entry import main
main()
"""


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_command_starts_ends_it_with_its_code(
    folder: Path, compose: str, moment: str, number: signal.Signals, code: int
) -> None:
    script = INTERRUPTED_AT.format(moment=moment, number=number.name)

    done = subprocess.run(
        [sys.executable, "-c", script, *PLAN],
        cwd=folder,
        env=environment(PATH=compose),
        check=False,
        capture_output=True,
        text=True,
    )

    assert (code, "") == (done.returncode, done.stdout)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("moment", ["cloison.errors", "cloison.linux.signals", "signal", "threading"])
def test_a_ctrl_c_before_the_handlers_are_installed_leaves_no_traceback(folder: Path, moment: str) -> None:
    script = INTERRUPTED_AT.format(moment=moment, number="SIGINT").replace(
        "import importlib.abc,", "import importlib.abc, "
    )

    done = subprocess.run(
        [sys.executable, "-c", script, *PLAN], cwd=folder, check=False, capture_output=True, text=True
    )

    assert (130, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_the_work_ends_the_command_with_its_code(
    folder: Path, number: signal.Signals, code: int
) -> None:
    path = program(folder / "bin", "docker", "#!/bin/sh\necho started >&2; exec sleep 30\n")
    words = [*COMMAND, "plan", "--file", "compose.json"]
    with subprocess.Popen(words, cwd=folder, env=environment(PATH=path), stderr=subprocess.PIPE, text=True) as process:
        while not list(_children(process.pid)):
            pass
        process.send_signal(number)
        said = process.communicate(timeout=10)[1]  # Compose would take 30 s

    assert (code, False) == (process.returncode, "Traceback" in said)


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


# The sentence.


def test_the_sentence_of_an_unexpected_error_is_short_and_printable() -> None:
    said = errors.unexpected(ValueError("two\nlines \x1b[31m" + "x" * 400))

    assert said.startswith("cloison failed unexpectedly: ValueError: two lines \\x1b[31mxxx")
    assert len(said) < 500
    assert errors.unexpected(KeyError()).startswith("cloison failed unexpectedly: KeyError. Please")


@pytest.mark.parametrize(
    ("urls", "named"),
    [
        (["Homepage, https://a.example", "Issues, https://b.example/issues"], "https://b.example/issues"),
        (["Homepage, https://a.example"], "the project's issue tracker"),
        (None, "the project's issue tracker"),
    ],
)
def test_the_issue_tracker_is_that_of_the_metadata(
    monkeypatch: pytest.MonkeyPatch, urls: list[str] | None, named: str
) -> None:
    class Metadata:
        def get_all(self, _name: str) -> list[str] | None:
            return urls

    monkeypatch.setattr(metadata, "metadata", lambda _: Metadata())

    assert f"report it at {named} with" in errors.unexpected(KeyError("x"))


def test_an_uninstalled_package_has_no_issue_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> object:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "metadata", missing)

    assert "the project's issue tracker" in errors.unexpected(KeyError("x"))
