"""The projects of an engine by the labels of their containers, which Compose writes and an image can write, too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cloison.engine import compose_cli, running_projects
from cloison.engine.labels import (
    COMPOSE_ENV_FILES,
    COMPOSE_FILES,
    COMPOSE_FOLDER,
    COMPOSE_ONE_OFF,
    COMPOSE_PROJECT,
    COMPOSE_SERVICE,
)
from cloison.errors import NotProven


class Engine:
    """An engine with containers."""

    def __init__(self, *containers: dict[str, Any]) -> None:
        self.listed = containers

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        """Answer as docker-py's method of this name."""
        return [*self.listed]


@pytest.fixture(autouse=True)
def no_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose_cli, "profiles", lambda _: {})


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    names = [str(tmp_path / name) for name in ("a.yml", "b.yml")]
    for name in names:
        Path(name).write_text("services: {}\n")
    return names


def container(*files: str, name: str = "shop", service: str = "web", state: str = "running", **more: str) -> Any:
    labels = {COMPOSE_PROJECT: name, COMPOSE_SERVICE: service, COMPOSE_FILES: ",".join(files), COMPOSE_FOLDER: "/srv"}
    return {"State": state, "Labels": {**labels, **more}}


def project_of(*containers: Any) -> running_projects.RunningProject:
    (found,) = running_projects.running_projects(Engine(*containers))  # type: ignore[arg-type]  # a fake engine
    return found


def test_a_project_is_selected_by_the_files_of_its_containers(files: list[str]) -> None:
    found = project_of(container(*files), container(*files, service="db", state="exited"))

    assert ("shop", 1, 2) == (found.name, found.running, found.containers)
    assert compose_cli.Selection((*files,), "shop", ("x",), (), "/srv") == found.selection(("x",))


@pytest.mark.parametrize("state", ["paused", "restarting"])
def test_a_project_whose_containers_are_paused_or_restart_is_not_left_out(state: str, files: list[str]) -> None:
    assert 1 == project_of(container(*files, state=state)).running


def test_the_profiles_of_what_runs_are_active(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"adm": ("tools", "debug"), "other": ("rare",)}
    monkeypatch.setattr(compose_cli, "profiles", lambda _: known)
    found = project_of(container(*files), container(*files, service="adm"))

    assert ("debug", "tools") == found.selection().profiles
    assert ("mine",) == found.selection(("mine",)).profiles


def test_containers_of_two_projects_with_one_name_are_not_proven_by_the_file_of_one(files: list[str]) -> None:
    found = project_of(container(files[0]), container(files[1], service="db"))

    with pytest.raises(
        NotProven, match=re.escape(f"containers of {files[0]} and of {files[1]}; name the Compose file")
    ):
        found.selection()


def test_a_file_that_was_added_later_is_no_other_project(files: list[str]) -> None:
    found = project_of(container(*files), container(files[0], service="db"))

    assert (*files,) == found.selection().files


def test_what_has_ended_and_what_ran_once_does_not_say_which_file_it_is(files: list[str]) -> None:
    old = container(files[1], state="exited", service="old")
    once = container(files[1], **{COMPOSE_ONE_OFF: "True"})

    assert (files[0],) == project_of(once, old, container(files[0])).selection().files


@pytest.mark.parametrize("name", ["../../etc", "/srv/x", "Shop", "a\x1b[2Jb", ""])
def test_a_name_that_compose_does_not_give_is_not_proven(name: str, files: list[str]) -> None:
    with pytest.raises(NotProven, match="is no name that Compose gives a project"):
        project_of(container(*files, name=name)).selection()


def test_a_file_that_is_gone_is_named(files: list[str]) -> None:
    with pytest.raises(NotProven, match=r"gone\.env is not on this machine; name its Compose file"):
        project_of(container(*files, **{COMPOSE_ENV_FILES: "/gone.env"})).selection()
    with pytest.raises(NotProven, match=r"gone\.yml is not on this machine"):
        project_of(container("/gone.yml")).selection()
    with pytest.raises(NotProven, match="do not say where its file is"):
        project_of(container()).selection()
