"""`cloison init` on a running project: what it sees, and a proof that holds with what it writes."""

from __future__ import annotations

import json
import re
import socket
from contextlib import closing
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML
from tests.integration.compose_project import IMAGE, Lab, docker, service

from cloison import cli
from cloison.compose import project as compose_project
from cloison.engine import compose_cli, select
from cloison.observe.live_connections import Watch, live_connections
from cloison.reports.terminal import render

pytestmark = pytest.mark.engine
CLIENT = """
import socket, time
print('listening', flush=True)
while True:
    for host, port in (("db", 3306), ("db", 4000)):
        try:
            socket.create_connection((host, port), 2).recv(1)
        except OSError:
            pass
    time.sleep(0.05)
"""


def project() -> dict[str, Any]:
    """Return a project without a policy, in which nothing but connections shows that web needs db at 4000."""
    web = {**service(networks=["front", "back"]), "entrypoint": ["python", "-c", CLIENT]}
    return {
        "services": {
            "web": {**web, "depends_on": ["db"]},
            "db": service(3306, 4000, networks=["back"], expose=["3306"]),
            "admin": service(80, networks=["front"], ports=["127.0.0.1::80"]),
        },
        "networks": {"front": {}, "back": {"internal": True}},
    }


@pytest.fixture
def running(lab: Lab) -> Lab:
    """Return a lab with the project running, and its file as YAML beside."""
    lab.up(project())
    text = yaml.safe_dump(json.loads((lab.folder / "compose.json").read_text()), sort_keys=False)
    (lab.folder / "compose.yaml").write_text(text)
    return lab


def options(lab: Lab) -> list[str]:
    return ["-f", str(lab.folder / "compose.yaml"), "-p", lab.name]


def test_the_project_is_proven_with_the_policy_that_init_writes(
    running: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.run(["init", *options(running), "--write", "--learn", "2s"])
    said = capsys.readouterr().err
    text = (running.folder / "compose.yaml").read_text()
    rules = yaml.safe_load(text)["x-cloison"]

    assert ["web -> db:3306,4000"] == rules["allow"]
    assert re.search(r"# .*seen: [0-9]+ connections within [0-9]+ s", text)
    assert "outside -> admin:80/tcp, although the file publishes it on a loopback address only" in said
    assert 0 == cli.run(["prove", *options(running)]), capsys.readouterr().out

    capsys.readouterr()
    assert 0 == cli.run(["init", *options(running)])
    assert rules["allow"] == yaml.safe_load(capsys.readouterr().out)["x-cloison"]["allow"], "no probe shows a need"


def test_a_proof_says_which_lines_are_in_use(running: Lab) -> None:
    rules = {"allow": ["web -> db:3306", "web -> admin:80"]}
    running.write({**project(), "x-cloison": rules})
    proof = running.prove()

    assert proof.in_use is not None
    assert ("web", "db", 3306) in {(part.source, part.target, part.port) for part in proof.in_use}
    shown = render(proof, color=False, width=100, strict=False)
    assert re.search(r"in use          web -> db:3306 \(web -> db:3306: [0-9]+ connections?\)", shown)
    assert "not in use now  web -> admin:80" in shown


def test_a_foreign_container_on_a_network_of_the_project_is_tolerated(
    running: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"{running.name}-foreign"
    docker("run", "--detach", "--rm", "--name", name, "--network", f"{running.name}_front", IMAGE, "sleep", "60")
    try:
        assert 0 == cli.run(["init", *options(running)])
        block = capsys.readouterr().out
        (running.folder / "policy.yaml").write_text(block)

        assert f"stranger:{name} -> admin, web" in block
        more = ["-f", str(running.folder / "policy.yaml")]
        assert 0 == cli.run(["prove", *options(running), *more]), capsys.readouterr().out
    finally:
        docker("rm", "--force", name)


def test_a_project_with_the_hosts_network_and_a_shared_namespace_is_proven(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    services = {
        "agent": service(port, network_mode="host"),
        "owner": service(8000, networks=["front"], ports=["127.0.0.1::8000"]),
        "side": service(9000, network_mode="service:owner"),
        "web": service(80, networks=["front"], expose=["80"], deploy={"replicas": 2}),
    }
    lab.up({"services": services, "networks": {"front": {}}})
    assert 0 == cli.run(["init", *lab.selection.options])
    (lab.folder / "policy.yaml").write_text(capsys.readouterr().out)

    more = ["-f", str(lab.folder / "policy.yaml")]
    assert 0 == cli.run(["prove", *lab.selection.options, *more]), capsys.readouterr().out


def test_a_stopped_project_is_drafted_from_its_file(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.write(project())

    assert 0 == cli.run(["init", *lab.selection.options])
    shown = capsys.readouterr()
    assert ["web -> db:3306"] == yaml.safe_load(shown.out)["x-cloison"]["allow"]
    assert "No container of the project runs, so the draft is made from the file alone." in shown.err


def test_an_interrupt_ends_the_learning_and_keeps_what_was_learned(running: Lab) -> None:
    said: list[str] = []

    def interrupting(sentence: str) -> None:
        said.append(sentence)
        if len(said) == 3:
            raise KeyboardInterrupt

    document = compose_project.project(compose_cli.resolved(running.selection))
    with closing(select.engine()) as engine:
        found = live_connections(engine, document, Watch(600), interrupting)

    assert "learning ended early" == said[-1]
    assert 0 < found.seconds < 60
    assert {3306, 4000} <= {item.port for item in found.connections}
