"""The Compose projects whose containers an engine has, and where their files are.

Input: the labels of the containers. Output: `RunningProject`.
Rule: Compose writes the paths of its files into labels. They may be those of another machine, so they are checked.
Source: https://github.com/docker/compose/blob/v2.40.3/pkg/api/labels.go
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloison.compose.suggest import suggestion
from cloison.engine.compose_cli import Selection
from cloison.engine.labels import (
    COMPOSE_ENV_FILES,
    COMPOSE_FILES,
    COMPOSE_FOLDER,
    COMPOSE_ONE_OFF,
    COMPOSE_PROJECT,
    COMPOSE_SERVICE,
)
from cloison.errors import NotProven

if TYPE_CHECKING:
    import docker


@dataclass(frozen=True, slots=True)
class RunningProject:
    """A project with containers on the engine; `files` and the others are as Compose wrote them."""

    name: str
    files: tuple[str, ...]
    folder: str
    env_files: tuple[str, ...]
    services: frozenset[str]
    running: int
    containers: int

    def selection(self, profiles: tuple[str, ...] = ()) -> Selection:
        """Return the options that select the project by its files.

        Raises NotProven when they are not on this machine.
        """
        missing = [file for file in self.files if not Path(file).is_file()]
        if missing or not self.files:
            where = f"{missing[0]} is not on this machine" if missing else "its containers do not say where its file is"
            raise NotProven(f'project "{self.name}" runs, and {where}; name its Compose file with --file')
        env_files = tuple(file for file in self.env_files if Path(file).is_file())
        return Selection(self.files, self.name, profiles, env_files, self.folder)


def running_projects(api: docker.APIClient) -> list[RunningProject]:
    """Return the projects of an engine by their names.

    Raises NotProven when the engine does not answer.
    """
    from cloison.engine.connection import FAILURES  # noqa: PLC0415  # the library takes 100 ms to import

    try:
        listed = api.containers(all=True, filters={"label": COMPOSE_PROJECT})
    except FAILURES as error:
        raise NotProven(f"the engine stopped answering: {error}") from error
    by_project: dict[str, list[Mapping[str, object]]] = {}
    for item in listed:
        if (item.get("Labels") or {}).get(COMPOSE_ONE_OFF) != "True":
            by_project.setdefault(item["Labels"][COMPOSE_PROJECT], []).append(item)
    return [_project(name, by_project[name]) for name in sorted(by_project)]


def _project(name: str, containers: list[Mapping[str, object]]) -> RunningProject:
    labels = [dict(item["Labels"]) for item in containers]  # type: ignore[call-overload]  # the API's answer has it

    def paths(label: str) -> tuple[str, ...]:
        return tuple(filter(None, str(labels[0].get(label, "")).split(",")))

    return RunningProject(
        name,
        paths(COMPOSE_FILES),
        str(labels[0].get(COMPOSE_FOLDER, "")),
        paths(COMPOSE_ENV_FILES),
        frozenset(str(found[COMPOSE_SERVICE]) for found in labels if COMPOSE_SERVICE in found),
        sum(item.get("State") == "running" for item in containers),
        len(containers),
    )


def project_named(name: str, profiles: tuple[str, ...] = ()) -> Selection:
    """Return the options that select a running project by its name alone.

    Raises NotProven when no project of the name has containers on the engine, or its files are elsewhere.
    """
    from cloison.engine import connection  # noqa: PLC0415  # the library takes 100 ms to import

    with connection.engine_connection() as engine:
        known = {project.name: project for project in running_projects(engine.api)}
    if name not in known:
        raise NotProven(
            f'there is no Compose file here, and no container of project "{name}" on this engine'
            f"{suggestion(name, known)}; `cloison ls` lists the projects"
        )
    return known[name].selection(profiles)
