"""`cloison policy usage`, `tighten` and `export`, and `init --from`, away from an engine."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML

from cloison import cli
from cloison.compose import project as compose_project
from cloison.compose.policy import policy
from cloison.engine import compose_cli
from cloison.engine.compose_cli import Selection
from cloison.usage.line_use import lines
from cloison.usage.record import DAY, Period, Use
from cloison.workflow import usage_store

FILE = """\
name: usage-shop
services:
  web: {image: nginx, ports: ["8080:80"], networks: {net: }}  # the front
  db: {image: db, expose: ["5432"], networks: {net: }}
networks: {net: {name: usage-shop_net}}
x-cloison:
  allow:
    - outside -> web:80
    - web -> db:5432  # by the code
"""
UNUSED = "    - outside -> web:80\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a Compose file, which is the working directory; its record has forty days."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "compose.yaml").write_text(FILE)
    project = compose_project.project(compose_cli.resolved(Selection()))
    rules = policy(project)
    assert rules
    now = int(time.time())
    with usage_store.changed(project.name) as usage:
        usage.lines = {line.key: now - 40 * DAY for line in lines(project, rules)}
        usage.periods = [Period(now - 40 * DAY, now)]
        usage.uses = [Use("web", "db", "tcp", 5432, first=now - 9 * DAY, last=now - DAY)]
    return tmp_path


def test_usage_prints_each_line_and_says_that_now_was_not_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.run(["policy", "usage"])
    shown = capsys.readouterr()

    assert "allow     outside -> web:80\n          allowed and unused for 40 days\n" in shown.out
    assert "The connections of now were not read: " in shown.err
    assert 0 == cli.run(["policy", "usage", "--format", "json", "--unused-for", "60d"])
    states = [line["state"] for line in json.loads(capsys.readouterr().out)["lines"]]
    assert ["too soon", "used"] == states


def test_tighten_prints_the_difference_and_writes_it_when_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.run(["policy", "tighten"])
    assert f"-{UNUSED}" in capsys.readouterr().out
    assert FILE == (folder / "compose.yaml").read_text()

    assert 0 == cli.run(["policy", "tighten", "--write"])
    shown = capsys.readouterr()
    assert FILE.replace(UNUSED, "") == (folder / "compose.yaml").read_text()
    assert "and a plan calls that a breach" in shown.err
    assert "compose.yaml was changed." in shown.err
    assert 0 == cli.run(["policy", "tighten", "--write"])
    assert "No line was watched for 30 days without a use" in capsys.readouterr().err


def test_a_duration_that_is_none_is_a_usage_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == cli.run(["policy", "usage", "--unused-for", "soon"])
    assert '"soon" is not a duration; write it like 12h or 30d' in capsys.readouterr().err


def test_a_policy_is_exported_and_what_it_cannot_say_goes_to_stderr(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.run(["policy", "export", "--format", "kubernetes"])
    shown = capsys.readouterr()

    assert ["cloison.default-deny", "cloison.allow-dns", "db", "web"] == [
        found["metadata"]["name"] for found in yaml.safe_load_all(shown.out)
    ]
    assert "outside: pods of other namespaces may come in" in shown.err


def test_a_policy_is_drafted_from_the_rules_of_ufw_docker(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = folder / "user.rules"
    rules.write_text("### tuple ### route:allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in\n")
    (folder / "after.rules").write_text("*filter\n")
    words = ["init", "--from", "ufw-docker", "--ufw-rules"]

    assert 0 == cli.run([*words, str(rules)])
    shown = capsys.readouterr()
    assert ["outside -> web:80"] == yaml.safe_load(shown.out)["x-cloison"]["allow"]
    assert f"# {rules}:1" in shown.out
    assert "Imported: ufw-docker lets every private address in" in shown.err
    assert "ufw-docker is not installed in it" in shown.err
    assert 2 == cli.run([*words, str(folder / "missing")])
    assert "could not be read: No such file or directory; name them with --ufw-rules" in capsys.readouterr().err
    rules.write_bytes(b"\xff")
    assert 2 == cli.run([*words, str(rules)])
    assert "the rules of ufw are not UTF-8 text" in capsys.readouterr().err


def test_a_policy_is_drafted_from_the_labels_of_whalewall(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == cli.run(["init", "--from", "whalewall"])
    assert "so there is nothing to import" in capsys.readouterr().err
    labels = 'labels: {whalewall.enabled: true, whalewall.rules: "output: [{container: db, proto: tcp, port: 5432}]"}'
    (folder / "compose.yaml").write_text(FILE.replace("image: nginx", f"image: nginx, {labels}"))

    assert 0 == cli.run(["init", "--from", "whalewall"])
    shown = capsys.readouterr()
    assert ["web -> db:5432"] == yaml.safe_load(shown.out)["x-cloison"]["allow"]
    assert "services.web.labels.whalewall.rules.output[0]" in shown.out
