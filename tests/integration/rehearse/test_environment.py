"""A rehearsal leaves nothing behind, however it ends, and disturbs nothing that runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.integration.compose_project import docker

from cloison.engine import compose_cli
from cloison.engine.compose_cli import Selection
from cloison.engine.connection import local_client
from cloison.engine.labels import REHEARSAL_LABEL
from cloison.linux import file_lock
from cloison.proof.schema import Proof, canonical, parse
from cloison.rehearse import idle_image
from cloison.rehearse.environment import rehearsal_environment
from cloison.rehearse.resources import RehearsalResources

pytestmark = pytest.mark.engine
COMMAND = str(Path(sys.executable).parent / "cloison")
SECONDS = 60
FILE: dict[str, Any] = {
    "services": {
        "db": {"image": "nobody/has-this:1", "networks": ["back"], "command": "rm -rf /"},
        "app": {
            "build": "./nowhere",
            "networks": ["back", "front"],
            "ports": ["80"],
            "environment": {"KEY": "secret"},
            "volumes": ["/etc:/host", "data:/data"],
        },
        "web": {"image": "nobody/has-this:1", "networks": ["front"], "deploy": {"replicas": 2}},
    },
    "networks": {"back": {"internal": True}, "front": {}},
    "volumes": {"data": {}},
}
Moment = Callable[[str], bool]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """The folder of a project that has never been started; its name is the project's."""
    folder = tmp_path / f"play{os.getpid()}x{time.monotonic_ns() % 10**6}"
    folder.mkdir()
    write(folder, FILE)
    yield folder
    for name in left(folder):
        with closing(local_client()) as api:
            RehearsalResources(api).remove(name)


def write(folder: Path, document: dict[str, Any]) -> None:
    """Write the project's file."""
    (folder / "compose.yaml").write_text(json.dumps(document))


def left(folder: Path) -> set[str]:
    """Return the rehearsals of a project of which the engine or the machine still has something."""
    with closing(local_client()) as api:
        names = RehearsalResources(api).rehearsals() | file_lock.lock_names("rehearsal-")
    return {name for name in names if name.startswith(f"{folder.name}-rehearsal-")}


def running(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a rehearsal in a process of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")}
    argv = [COMMAND, "rehearse", "--patience", "0.2", *words]
    return subprocess.Popen(argv, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rehearse(folder: Path, *words: str) -> tuple[int, str, str]:
    """Rehearse a project; return exit code, stdout and stderr."""
    with running(folder, *words) as process:
        out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def proof(folder: Path) -> Proof:
    """Rehearse a project and return the document."""
    code, out, err = rehearse(folder, "--format", "json")
    assert code in (0, 1), err
    return parse(out.encode())


def soon(condition: Callable[[], bool]) -> bool:
    """Whether something comes true before the patience of this file ends."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


def has(what: str, least: int) -> Moment:
    """Return the moment at which a rehearsal has made so many things."""

    def came(name: str) -> bool:
        shown = docker(*what.split(), "--quiet", "--filter", f"label=com.docker.compose.project={name}")
        return len(shown.split()) >= least

    return came


def is_idle(_: str) -> bool:
    """The moment after the lock was acquired."""
    return True


MOMENTS: dict[str, Moment] = {
    "locked": is_idle,
    "first network": has("network ls", 1),
    "first container": has("ps --all", 1),
    "all running": has("ps", 4),
}


def at(moment: Moment, folder: Path) -> bool:
    """Whether the project's rehearsal has come to a moment."""
    return any(moment(name) for name in left(folder))


def test_the_report_names_the_rehearsal_and_no_resource_is_left(project: Path) -> None:
    code, out, err = rehearse(project)

    assert (0, "") == (code, err)
    assert out.startswith(f"AS DRAWN  {project.name}-rehearsal-")
    assert f"a rehearsal of {project.name}: an idle container stood in" in " ".join(out.split())
    assert not left(project)


def test_the_document_is_a_proof_like_any_other(project: Path) -> None:
    code, out, _ = rehearse(project, "--format", "json")

    assert 0 == code
    assert out.encode() == canonical(parse(out.encode()))


def test_nothing_of_the_file_runs(project: Path) -> None:
    document = compose_cli.resolved(Selection(files=(str(project / "compose.yaml"),)))
    with rehearsal_environment(document, lambda _: None) as played:
        names = docker("ps", "--filter", f"label={REHEARSAL_LABEL}={played.name}", "--format", "{{.Names}}").split()
        bodies = json.loads(docker("inspect", *names))
        size = docker("image", "inspect", bodies[0]["Image"], "--format", "{{.Size}}")

    assert 4 == len(bodies)
    assert [[f"/{idle_image.BINARY_NAME}"]] * 4 == [body["Config"]["Entrypoint"] for body in bodies]
    assert not any(body["Mounts"] or body["Config"]["Cmd"] for body in bodies)
    assert "secret" not in str(bodies)
    assert 1024 > int(size)
    assert not left(project)


def test_a_project_that_runs_is_not_disturbed_by_its_own_rehearsal(project: Path) -> None:
    with closing(local_client()) as api:
        resources = RehearsalResources(api)
        name = f"{project.name}-rehearsal-abcdef"
        mark = {"image": resources.build_image(name), "labels": {REHEARSAL_LABEL: name}}
        body = {"container_name": name, "ports": ["127.0.0.1:18099:80"], "networks": {"net": {}}}
        nets = {
            "net": {
                "name": name,
                "labels": {REHEARSAL_LABEL: name},
                "ipam": {"config": [{"subnet": "198.19.231.0/28"}]},
            }
        }
        lock = file_lock.acquire(f"rehearsal-{name}")
        assert lock is not None
        write(project, {"services": {"it": body | mark}, "networks": nets})
        try:
            docker("compose", "--project-directory", str(project), "up", "--detach")
            before = docker("inspect", name)
            said = proof(project).notes

            assert before == docker("inspect", name)
            assert any("198.19.231.0/28 is in use here" in note for note in said)
            assert {name} == left(project)
        finally:
            resources.remove(name)
            file_lock.release(f"rehearsal-{name}", lock)


@pytest.mark.parametrize("sent", [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_rehearsal_removes_everything(
    project: Path, moment: str, sent: tuple[signal.Signals, int]
) -> None:
    number, code = sent
    with running(project, "--patience", "3") as process:
        assert soon(lambda: at(MOMENTS[moment], project))
        process.send_signal(number)
        _, said = process.communicate(timeout=SECONDS)

    assert code == process.returncode
    assert "Traceback" not in said
    assert not left(project)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_rehearsal_removes_the_left_overs_of_a_killed_one(project: Path, tmp_path: Path, moment: str) -> None:
    other = tmp_path / f"{project.name}other"
    other.mkdir()
    write(other, {"services": {"it": {"image": "x"}}})
    with running(project, "--patience", "3") as process:
        assert soon(lambda: at(MOMENTS[moment], project))
        process.kill()

    assert soon(lambda: is_over(project))
    assert 0 == rehearse(other)[0]
    assert not left(other) | left(project)


def is_over(folder: Path) -> bool:
    """Whether no process works on a project's rehearsals: an orphaned Compose finishes its work first."""
    for file in file_lock.FOLDER.glob(f"rehearsal-{folder.name}-*"):
        lock = file_lock.acquire(file.name)
        if lock is None:
            return False
        os.close(lock)
    return True


def test_rehearsals_at_once_do_not_disturb_each_other(project: Path) -> None:
    processes = [running(project, "--format", "json") for _ in range(3)]
    ended = [process.communicate(timeout=SECONDS) for process in processes]

    assert [0] * 3 == [process.returncode for process in processes], [said for _, said in ended]
    assert 3 == len({parse(out.encode()).project.name for out, _ in ended})
    assert not left(project)


def test_an_error_of_the_engine_is_reported_and_the_rehearsal_removed(project: Path) -> None:
    attachment = {"net": {"ipv4_address": "198.19.232.9"}}
    bodies = {"image": "x", "networks": attachment}
    networks = {"net": {"ipam": {"config": [{"subnet": "198.19.232.0/28"}]}}}
    write(project, {"services": {"one": bodies, "two": bodies}, "networks": networks})
    code, _, said = rehearse(project)

    assert 3 == code
    assert "the rehearsal could not be started: " in said
    assert "Address already in use" in said
    assert not left(project)


def test_an_invalid_policy_is_reported_before_anything_is_made(project: Path) -> None:
    write(project, FILE | {"x-cloison": {"allow": ["app -> dbb:3306"]}})
    code, out, said = rehearse(project)

    assert (2, "") == (code, out)
    assert 'no service "dbb" (did you mean "db"?)' in said
    assert not left(project)
