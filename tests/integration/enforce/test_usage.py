"""The connections of real containers are recorded, by sockets and by the counters of the enforced rules."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML
from tests.integration.compose_project import Lab, docker, service, three_tiers

from cloison import cli
from cloison.compose import project as compose_project
from cloison.engine import compose_cli, select
from cloison.usage.record import Use
from cloison.workflow import enforcement, usage_store
from cloison.workflow.learn_usage import Learner, learning

pytestmark = pytest.mark.engine
ALLOW = ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306", "app -> db:9999/udp", "host -> db:3306"]


@pytest.fixture
def learner(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Learner]:
    """The learner of three tiers whose database takes datagrams and answers none."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    document = three_tiers(allow=ALLOW)
    document["services"]["db"] = service(3306, datagrams=(9999,), networks=["back"], expose=["3306", "9999/udp"])
    lab.up(document)
    path = lab.folder / "compose.json"  # lines can be removed from a file in lines
    path.write_text(yaml.safe_dump(json.loads(path.read_text()), width=1000))
    with closing(select.engine()) as engine:
        yield Learner(engine, compose_project.project(compose_cli.resolved(lab.selection)))
    enforcement.off(lab.name)


def send(lab: Lab, kind: str, port: int) -> None:
    """Let the application connect to the database, or send a datagram to it."""
    code = f"import socket; s = socket.socket(socket.AF_INET, socket.{kind}); s.connect(('db', {port})); s.send(b'x')"
    docker("exec", lab.container("app"), "python", "-c", code)


def uses(lab: Lab) -> dict[str, Use]:
    """Return the recorded uses."""
    return {f"{u.source} -> {u.target}:{u.port}/{u.protocol}": u for u in usage_store.read(lab.name).uses}


def test_what_is_used_is_recorded_and_probes_are_not(
    lab: Lab, learner: Learner, capsys: pytest.CaptureFixture[str]
) -> None:
    """The policy is tightened in the end: its file loses the lines that nothing used, and no others."""
    learner.learn()
    send(lab, "SOCK_DGRAM", 9999)
    learner.learn()
    assert "app -> db:9999/udp" not in uses(lab), "nothing answers, and nothing counts, while nothing is enforced"

    options = lab.selection.options
    assert 0 == cli.run(["enforce", "--quiet", *options]), capsys.readouterr()
    learner.learn()
    before = time.time()
    send(lab, "SOCK_STREAM", 3306)
    send(lab, "SOCK_DGRAM", 9999)
    learner.learn()
    assert 0 == cli.run(["watch", "--once", "--learn", *options]), capsys.readouterr()
    learner.learn()
    found = uses(lab)
    assert {"app -> db:3306/tcp", "app -> db:9999/udp"} == found.keys(), "the probes of two proofs were allowed, too"
    assert 1 <= found["app -> db:3306/tcp"].connections <= 2
    assert int(before) <= found["app -> db:9999/udp"].last <= time.time()

    capsys.readouterr()
    ends = time.monotonic() + 60
    while usage_store.read(lab.name).watched(int(time.time()) - 3, counted=True) < 2:
        assert time.monotonic() < ends
        with learning(learner, print):
            time.sleep(1.5)
    assert 0 == cli.run(["policy", "usage", "--format", "json", "--unused-for", "9d", *options])
    states = {line["text"]: line["state"] for line in json.loads(capsys.readouterr().out)["lines"]}
    assert {"used", "too soon", "cannot be seen"} == {*states.values()}
    send(lab, "SOCK_STREAM", 3306)
    assert 0 == cli.run(["policy", "tighten", "--write", "--unused-for", "2s", *options])
    assert "-  - proxy -> app:5000\n" in capsys.readouterr().out
    assert ["app -> db:3306"] == yaml.safe_load((lab.folder / "compose.json").read_text())["x-cloison"]["allow"]
