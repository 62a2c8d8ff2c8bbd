"""The Compose projects whose containers an engine has, and where their files are.

Input: the labels of the containers. Output: `RunningProject`.
Rules:
  - Compose writes the paths of its files into labels. They may be those of another machine, so they are checked.
  - An image can set the same labels, so a project's name is checked before a folder is named after it.
  - Containers of one project may have different files: they are proven by one only if it has those of all others.
Source: https://github.com/docker/compose/blob/v2.40.3/pkg/api/labels.go
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloison.compose.suggest import suggestion
from cloison.engine import compose_cli
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

PROJECT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""https://docs.docker.com/reference/compose-file/version-and-name/#name-top-level-element"""
ALIVE: Final = frozenset({"running", "paused", "restarting"})
"""The states of a container that has a network namespace, or will have one again without anybody's doing."""


@dataclass(frozen=True, slots=True)
class RunningProject:
    """A project with containers on the engine; `files` and the others are as Compose wrote them.

    `running` counts the containers that are alive, those that are paused or restart included.
    """

    name: str
    files: tuple[str, ...]
    folder: str
    env_files: tuple[str, ...]
    services: frozenset[str]
    running: int
    containers: int

    other_files: tuple[str, ...] = ()
    """Files of other containers, where these are of another version of the project, or of another project."""
    ids: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    """The networks on which its containers are."""

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the events that concern it: see `event_stream.Changes`."""
        return frozenset(
            {
                f"project:{self.name}",
                *(f"container:{found}" for found in self.ids),
                *(f"network:{found}" for found in self.networks),
            }
        )

    def selection(self, profiles: tuple[str, ...] = ()) -> Selection:
        """Return the options that select the project by its files; without profiles, with those of what runs.

        Raises NotProven when they are not on this machine, or when it is not clear which they are.
        """
        if not PROJECT_NAME.fullmatch(self.name):
            raise NotProven(f'"{self.name}" is no name that Compose gives a project; an image may have set the label')
        if self.other_files:
            raise NotProven(
                f'project "{self.name}" has containers of {",".join(self.files)} and of {",".join(self.other_files)}; '
                "name the Compose file with --file"
            )
        missing = [file for file in (*self.files, *self.env_files) if not Path(file).is_file()]
        if missing or not self.files:
            where = f"{missing[0]} is not on this machine" if missing else "its containers do not say where its file is"
            raise NotProven(f'project "{self.name}" runs, and {where}; name its Compose file with --file')
        found = Selection(self.files, self.name, profiles, self.env_files, self.folder)
        return found if profiles else replace(found, profiles=self._profiles_that_run(found))

    def _profiles_that_run(self, selection: Selection) -> tuple[str, ...]:
        """Return the profiles of the services that have containers: without them these would be in no file."""
        known = compose_cli.profiles(selection)
        return tuple(sorted({name for service in self.services for name in known.get(service, ())}))


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
    running = [item for item in containers if item.get("State") in ALIVE]
    # The engine lists the newest container first.
    labels = [dict(item["Labels"]) for item in running or containers]  # type: ignore[call-overload]  # the API's answer
    files = [_paths(found, COMPOSE_FILES) for found in labels]
    return RunningProject(
        name,
        files[0],
        str(labels[0].get(COMPOSE_FOLDER, "")),
        _paths(labels[0], COMPOSE_ENV_FILES),
        frozenset(str(found[COMPOSE_SERVICE]) for found in labels if COMPOSE_SERVICE in found),
        len(running),
        len(containers),
        next((other for other in files if not {*other} <= {*files[0]}), ()),
        frozenset(str(item["Id"]) for item in containers if "Id" in item),
        frozenset(name for item in containers for name in _networks(item)),
    )


def _networks(container: Mapping[str, object]) -> Iterable[str]:
    settings = container.get("NetworkSettings")
    return (settings.get("Networks") or ()) if isinstance(settings, Mapping) else ()


def _paths(labels: Mapping[str, object], label: str) -> tuple[str, ...]:
    return tuple(filter(None, str(labels.get(label, "")).split(",")))


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
