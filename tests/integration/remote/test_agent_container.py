"""The agent has the rights that a proof needs and no others, and is removed however its command ends."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.integration.compose_project import IMAGE, Lab, docker
from tests.integration.observe.leftovers import held_locks, registrations
from tests.integration.remote.engine_endpoints import EngineEndpoint
from tests.integration.remote.ordinary_user import SOCKET, UID, OrdinaryUser

from cloison.engine.labels import AGENT_LABEL
from cloison.errors import NotProven
from cloison.linux import netns
from cloison.remote import agent_container, agent_image

pytestmark = pytest.mark.engine
SECONDS = 60


def tokens(user: OrdinaryUser) -> set[str]:
    """Return the tokens of the agents whose commands run, or ran, in this user's home."""
    folder = user.home / ".cache/cloison"
    return (
        {path.name.removeprefix(agent_container.LOCK) for path in folder.glob(f"{agent_container.LOCK}*")}
        if folder.exists()
        else set()
    )


def found(user: OrdinaryUser) -> dict[str, str]:
    """Return the states of this user's agents that the engine has."""
    states: dict[str, str] = {}
    for token in tokens(user):
        shown = docker("ps", "--all", "--filter", f"label={AGENT_LABEL}={token}", "--format", "{{.State}}")
        states |= {token: shown} if shown else {}
    return states


def soon(condition: Callable[[], bool]) -> bool:
    """Whether something comes true before the patience of this file ends."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def runs(user: OrdinaryUser) -> bool:
    """Whether an agent of this user runs."""
    return "running" in found(user).values()


def probes(user: OrdinaryUser) -> bool:
    """Whether a scout of this user has registered its sockets."""
    return runs(user) and bool(registrations(held_locks(inspected(user)["State"]["Pid"])))


def inspected(user: OrdinaryUser) -> dict[str, Any]:
    """Return the engine's document about this user's agent."""
    (token,) = found(user)
    document: list[dict[str, Any]] = json.loads(docker("inspect", f"cloison-{agent_container.LOCK}{token}"))
    return document[0]


def test_an_agent_has_four_capabilities_and_a_read_only_root(tiers: Lab, user: OrdinaryUser) -> None:
    with user.start("prove", *tiers.selection.options, "--patience", "5") as process:
        assert soon(lambda: runs(user))
        document = inspected(user)
        out, err = process.communicate(timeout=SECONDS)

    host = document["HostConfig"]
    assert (0, "", True) == (process.returncode, err, out.startswith("PROVEN"))
    assert {"SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "NET_RAW"} == {c.removeprefix("CAP_") for c in host["CapAdd"]}
    assert (["ALL"], False, True, True) == (
        host["CapDrop"],
        host["Privileged"],
        host["ReadonlyRootfs"],
        host["AutoRemove"],
    )
    assert "no-new-privileges" in host["SecurityOpt"]
    assert (2 * 2**30, 4096) == (host["Memory"], host["PidsLimit"])
    assert ("host", "host") == (host["PidMode"], host["NetworkMode"])
    assert {"/run/cloison", SOCKET, "/sys/fs/cgroup"} == {mount["Destination"] for mount in document["Mounts"]}


@pytest.mark.parametrize("missing", netns.CAPABILITIES)
def test_every_capability_is_necessary(
    tiers: Lab, over_tcp: EngineEndpoint, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name, value in over_tcp.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(netns, "CAPABILITIES", {name: n for name, n in netns.CAPABILITIES.items() if name != missing})

    try:
        code = tiers.prove().verdict.exit_code
    except NotProven as error:
        code = error.exit_code

    assert 3 == code


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("verb", ["prove", "rehearse"])
def test_an_interrupted_command_removes_its_agent(
    tiers: Lab, user: OrdinaryUser, verb: str, sent: signal.Signals, code: int
) -> None:
    with user.start(verb, *tiers.selection.options, "--patience", "30") as process:
        assert soon(lambda: probes(user) if verb == "prove" else "-app-" in rehearsals(tiers))
        process.send_signal(sent)
        _, said = process.communicate(timeout=SECONDS)

    assert code == process.returncode
    assert "Traceback" not in said
    assert ({}, set()) == (found(user), tokens(user))
    assert not rehearsals(tiers)


def rehearsals(lab: Lab) -> str:
    """Return the containers and networks of a project's rehearsals."""
    wanted = ("--format", "{{.Names}}", "--filter", f"name={lab.name}-rehearsal-")
    return docker("ps", "--all", *wanted) + docker("network", "ls", "--format", "{{.Name}}", *wanted[2:])


MOMENTS: dict[str, Callable[[OrdinaryUser], bool]] = {
    "its token is locked": lambda user: bool(tokens(user)),
    "the engine has its container": lambda user: bool(found(user)),
    "it runs": runs,
    "it probes": probes,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_command_leaves_no_agent_after_the_next(tiers: Lab, user: OrdinaryUser, moment: str) -> None:
    with user.start("prove", *tiers.selection.options, "--patience", "30") as process:
        assert soon(lambda: MOMENTS[moment](user))
        process.kill()

    assert soon(lambda: not runs(user))
    code, _, err = user.run("prove", *tiers.selection.options)

    assert (0, "") == (code, err)
    assert ({}, set()) == (found(user), tokens(user))


def test_the_agent_removes_the_rehearsal_of_a_killed_command(tiers: Lab, user: OrdinaryUser) -> None:
    with user.start("rehearse", *tiers.selection.options, "--patience", "30") as process:
        assert soon(lambda: rehearsals(tiers).count("-app-") > 0)
        process.kill()

    assert soon(lambda: not rehearsals(tiers))
    assert soon(lambda: not found(user))


def test_an_engine_that_dies_proves_nothing(tiers: Lab, user: OrdinaryUser, over_tcp: EngineEndpoint) -> None:
    with user.start("prove", *tiers.selection.options, "--patience", "30", **over_tcp.environment) as process:
        assert soon(lambda: runs(user))
        over_tcp.close()
        out, said = process.communicate(timeout=SECONDS)

    assert (3, "") == (process.returncode, out)
    assert "ended without a proof" in said or "cannot run the agent" in said
    assert "Traceback" not in said
    assert soon(lambda: not found(user))


@contextmanager
def left(token: str) -> Iterator[str]:
    """Create an agent's container and never start it."""
    image = f"{agent_image.REPOSITORY}:test-{token}"
    docker("tag", IMAGE, image)
    with created(token, image, "--rm", "--read-only", "--pid", "host") as name:
        try:
            yield name
        finally:
            docker("rmi", "--force", image)


@contextmanager
def created(token: str, image: str, *options: str) -> Iterator[str]:
    """Create a container with the name and the label of an agent, and never start it."""
    name = f"cloison-{agent_container.LOCK}{token}"
    docker("create", "--name", name, "--network", "host", "--label", f"{AGENT_LABEL}={token}", *options, image)
    try:
        yield name
    finally:
        docker("rm", "--force", name) if name in docker("ps", "--all", "--format", "{{.Names}}").split() else None


def test_an_agent_that_was_never_started_is_recognised_by_its_lock(tiers: Lab, user: OrdinaryUser) -> None:
    token, folder = secrets.token_hex(8), user.home / ".cache/cloison"
    folder.mkdir(parents=True)
    (folder / f"{agent_container.LOCK}{token}").touch()
    for path in (folder.parent, folder, *folder.iterdir()):
        os.chown(path, UID, UID)

    with left(token) as name:
        user.run("prove", *tiers.selection.options)

        assert name not in docker("ps", "--all", "--format", "{{.Names}}").split()


def test_a_container_with_the_label_and_the_name_of_an_agent_is_not_removed(
    tiers: Lab, over_tcp: EngineEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in over_tcp.environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(agent_container, "MAX_AGE_UNSTARTED", 0)
    with created(secrets.token_hex(8), IMAGE, "--rm", "--read-only", "--pid", "host") as name:
        time.sleep(1.1)
        tiers.prove()
        assert name in docker("ps", "--all", "--format", "{{.Names}}").split()


def test_a_recent_agent_of_another_machine_is_not_removed(
    tiers: Lab, over_tcp: EngineEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in over_tcp.environment.items():
        monkeypatch.setenv(key, value)
    with left(secrets.token_hex(8)) as name:
        tiers.prove()
        assert name in docker("ps", "--all", "--format", "{{.Names}}").split()

        monkeypatch.setattr(agent_container, "MAX_AGE_UNSTARTED", 0)
        time.sleep(1.1)
        tiers.prove()
        assert name not in docker("ps", "--all", "--format", "{{.Names}}").split()
