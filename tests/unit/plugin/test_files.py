"""The plugin's files: written whole, removed exactly, and never those of another program."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloison.cli import cloison
from cloison.errors import UsageError
from cloison.plugin import files

CONFIG = (
    '{\n\t"auths": {\n\t\t"registry.example": {\n\t\t\t"auth": "bWU6xJNlY3JldA=="\n\t\t}\n\t},\n\t"psFormat": "té"\n}'
)
PYTHON = "/opt/my venv/bin/python"


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of everything below a folder."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def program(folder: Path) -> Path:
    """Return the plugin's program."""
    return folder / "cli-plugins/docker-cloison"


@pytest.mark.parametrize("hook", [False, True])
@pytest.mark.parametrize("config", [None, CONFIG, '{\n\t"plugins": {\n\t\t"x": {\n\t\t\t"hooks": "y"\n\t\t}\n\t}\n}'])
def test_remove_undoes_exactly_what_install_did(tmp_path: Path, config: str | None, hook: bool) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
        (tmp_path / "config.json").chmod(0o640)
    before = tree(tmp_path)
    written = files.install(tmp_path, PYTHON, hook=hook)
    during = tree(tmp_path)

    assert [program(tmp_path), tmp_path / "config.json"][: 1 + hook] == written
    assert before != during
    assert during == tree(tmp_path) if files.install(tmp_path, PYTHON, hook=hook) else None
    files.remove(tmp_path)
    assert before == tree(tmp_path)
    assert [] == files.remove(tmp_path)


def test_the_program_starts_the_python_without_the_working_directory(tmp_path: Path) -> None:
    files.install(tmp_path, PYTHON, hook=False)

    assert 0o755 == stat.S_IMODE(program(tmp_path).stat().st_mode)
    assert "exec '/opt/my venv/bin/python' -P -m cloison.docker_plugin \"$@\"\n" in program(tmp_path).read_text()


def test_other_settings_keep_their_values_and_the_file_its_mode(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(CONFIG)
    config.chmod(0o600)
    files.install(tmp_path, PYTHON, hook=True)

    assert 0o600 == stat.S_IMODE(config.stat().st_mode)
    after = json.loads(config.read_text())
    assert json.loads(CONFIG) == {key: value for key, value in after.items() if key not in {"plugins", "features"}}
    assert "compose up" == after["plugins"]["cloison"]["hooks"]


def test_a_new_configuration_is_private(tmp_path: Path) -> None:
    files.install(tmp_path, PYTHON, hook=True)

    assert 0o600 == stat.S_IMODE((tmp_path / "config.json").stat().st_mode)


def test_a_linked_configuration_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text(CONFIG)
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").symlink_to(real)
    files.install(folder, PYTHON, hook=True)

    assert (folder / "config.json").is_symlink()
    assert "cloison" in real.read_text()
    files.remove(folder)
    assert CONFIG == real.read_text()


@pytest.mark.parametrize("kind", ["file", "link", "dangling", "directory"])
def test_a_foreign_program_is_neither_replaced_nor_removed(tmp_path: Path, kind: str) -> None:
    path = program(tmp_path)
    path.parent.mkdir()
    match kind:
        case "file":
            path.write_text("#!/bin/sh\nexit 0\n")
        case "directory":
            path.mkdir()
        case _:
            path.symlink_to("/bin/sh" if kind == "link" else "/nowhere")
    before = tree(tmp_path)

    with pytest.raises(UsageError, match="exists and was not written by `cloison plugin install`; remove it"):
        files.install(tmp_path, PYTHON, hook=True)
    with pytest.raises(UsageError, match="was not written by `cloison plugin install`, so it stays"):
        files.remove(tmp_path)
    assert before == tree(tmp_path)


@pytest.mark.parametrize(
    ("text", "named"),
    [("{", "is not JSON, so nothing was changed"), ("[]", "is not a JSON object"), ("[" * 200_000, "is not JSON")],
)
def test_a_configuration_that_is_not_dockers_is_left_alone(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "config.json").write_text(text)
    before = tree(tmp_path)

    with pytest.raises(UsageError, match=named):
        files.install(tmp_path, PYTHON, hook=True)
    assert before == tree(tmp_path)
    files.install(tmp_path, PYTHON, hook=False)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
def test_a_file_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fail(_path: Path, _target: Path) -> None:
        raise error

    monkeypatch.setattr(Path, "replace", fail)

    with pytest.raises(UsageError, match=f"docker-cloison could not be written: {error.strerror}"):
        files.install(tmp_path, PYTHON, hook=False)
    assert [] == [*(tmp_path / "cli-plugins").iterdir()]


def test_other_errors_of_the_disk_are_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UsageError, match=r"config\.json cannot be read: Is a directory"):
        files.install(tmp_path, PYTHON, hook=True)
    files.install(tmp_path / "other", PYTHON, hook=False)

    def fail(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(UsageError, match="docker-cloison could not be removed: Permission denied"):
        files.remove(tmp_path / "other")


def test_another_plugin_in_the_folder_stays(tmp_path: Path) -> None:
    files.install(tmp_path, PYTHON, hook=False)
    (tmp_path / "cli-plugins/docker-other").write_text("")
    files.remove(tmp_path)

    assert ["docker-other"] == [path.name for path in (tmp_path / "cli-plugins").iterdir()]


def test_the_folder_is_that_of_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert Path("/etc/mine") == files.configuration_folder({"DOCKER_CONFIG": "/etc/mine"})
    assert tmp_path / ".docker" == files.configuration_folder({})

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UsageError, match="no home directory; set DOCKER_CONFIG"):
        files.configuration_folder({})


def test_the_verb_says_what_it_changed(tmp_path: Path) -> None:
    runner = CliRunner(env={"DOCKER_CONFIG": str(tmp_path)})
    (tmp_path / "config.json").write_text(CONFIG)
    path, config = program(tmp_path), tmp_path / "config.json"

    assert f"wrote {path}\nwrote {config}\n" == runner.invoke(cloison, ["plugin", "install", "--hook"]).output
    assert f"changed {config}\nremoved {path}\n" == runner.invoke(cloison, ["plugin", "remove"]).output
    assert "the plugin is not installed\n" == runner.invoke(cloison, ["plugin", "remove"]).output


def test_on_windows_a_script_is_no_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner(env={"DOCKER_CONFIG": str(tmp_path)})
    monkeypatch.setattr("sys.platform", "win32")
    result = runner.invoke(cloison, ["plugin", "install"])

    assert "must be a program (.exe) on Windows" in str(result.exception)
    assert [] == [*tmp_path.iterdir()]
