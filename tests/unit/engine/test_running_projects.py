"""Which projects an engine has, from the labels of its containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from docker.errors import DockerException

from cloison.engine import labels
from cloison.engine.compose_cli import Selection
from cloison.engine.running_projects import RunningProject, running_projects
from cloison.errors import NotProven

SHOP: Final = RunningProject("shop", ("/srv/shop/compose.yml",), "/srv/shop", (), frozenset({"web"}), 1, 1)


class Api:
    """An engine with these containers, or one that fails."""

    def __init__(self, *containers: dict[str, Any], error: Exception | None = None) -> None:
        self.found, self.error = containers, error

    def containers(self, **_options: Any) -> list[dict[str, Any]]:
        """Return them, as the API does."""
        if self.error:
            raise self.error
        return [*self.found]


def container(project: str, service: str, state: str = "running", **more: str) -> dict[str, Any]:
    found = {
        labels.COMPOSE_PROJECT: project,
        labels.COMPOSE_SERVICE: service,
        labels.COMPOSE_FILES: f"/srv/{project}/compose.yml",
        labels.COMPOSE_FOLDER: f"/srv/{project}",
        labels.COMPOSE_ONE_OFF: "False",
    }
    return {"Labels": found | more, "State": state}


def listed(*containers: dict[str, Any]) -> list[RunningProject]:
    return running_projects(Api(*containers))  # type: ignore[arg-type]  # has the one method that is called


def test_projects_are_listed_by_name_with_what_runs_of_them() -> None:
    found = listed(container("shop", "web"), container("blog", "web"), container("shop", "db", "exited"))

    assert [("blog", 1, 1), ("shop", 1, 2)] == [(one.name, one.running, one.containers) for one in found]
    assert frozenset({"web", "db"}) == found[1].services


def test_a_container_of_compose_run_is_no_service() -> None:
    assert [] == listed(container("shop", "web", **{labels.COMPOSE_ONE_OFF: "True"}))


def test_the_files_are_those_of_the_labels() -> None:
    more = {labels.COMPOSE_FILES: "/srv/a.yml,/srv/b.yml", labels.COMPOSE_ENV_FILES: "/srv/.env"}
    (found,) = listed(container("shop", "web", **more))

    assert (("/srv/a.yml", "/srv/b.yml"), ("/srv/.env",), "/srv/shop") == (found.files, found.env_files, found.folder)


def test_a_container_with_the_name_of_its_project_alone_is_listed_and_not_selected() -> None:
    (found,) = listed({"Labels": {labels.COMPOSE_PROJECT: "shop"}, "State": "running"})

    assert RunningProject("shop", (), "", (), frozenset(), 1, 1) == found
    with pytest.raises(NotProven, match="its containers do not say where its file is; name its Compose file"):
        found.selection()


def test_an_engine_that_stops_answering_is_not_proven() -> None:
    with pytest.raises(NotProven, match="the engine stopped answering: gone"):
        running_projects(Api(error=DockerException("gone")))  # type: ignore[arg-type]  # has the one method


def test_files_of_another_machine_are_not_selected() -> None:
    with pytest.raises(NotProven, match=r'project "shop" runs, and /srv/shop/compose\.yml is not on this machine'):
        SHOP.selection()


def test_a_selection_has_the_files_the_folder_and_the_environment_that_are_here(tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    file.touch()
    env = tmp_path / ".env"
    env.touch()
    found = RunningProject("shop", (str(file),), str(tmp_path), (str(env), "/srv/gone.env"), frozenset(), 1, 1)

    assert Selection((str(file),), "shop", ("more",), (str(env),), str(tmp_path)) == found.selection(("more",))
