"""A policy is enforced on real containers: what it does not allow is closed, and stays closed whatever comes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.integration.compose_project import Lab, docker, judgements, service, three_tiers
from tests.integration.enforce.forbidden_probes import forbidden_probes

from cloison.compose import project as compose_project
from cloison.engine import compose_cli
from cloison.errors import NotProven
from cloison.linux import bridge_filtering
from cloison.verdict.judge import Judgement
from cloison.workflow import enforcement
from cloison.workflow.keep_enforced import Change, kept_enforced

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[3]
COMMAND = str(Path(sys.executable).parent / "cloison")
RESTARTS = int(os.environ.get("CLOISON_RESTARTS", "20"))
"""How often a container restarts under probes. Two hundred take about five minutes."""
ALLOW = {"allow": ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306"]}


def cloison(lab: Lab, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command on a project, and expect an exit code."""
    verb, *rest = words
    argv = [COMMAND, verb, *lab.selection.options, *rest]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=180)
    assert code == done.returncode, done.stdout + done.stderr
    return done


def tables() -> str:
    """Return the names of all tables and of what stands in those of the project's kind."""
    return subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout


def reaches(container: str, address: str, port: int, source: str = "") -> bool:
    """Whether a connection from a container comes about, and can be used, within half a second."""
    code = (
        f"import socket\ns = socket.socket(); s.settimeout(0.5)\n"
        f"s.bind(({source!r}, 0))\ns.connect(({address!r}, {port}))\nprint('open')"
    )
    argv = ["docker", "exec", container, "python", "-c", code]
    return subprocess.run(argv, check=False, capture_output=True, text=True).stdout == "open\n"


def address(container: str, network: str) -> str:
    """Return the address of a container on a network."""
    found = json.loads(docker("inspect", container))[0]["NetworkSettings"]["Networks"]
    return str(found[network]["IPAddress"])


@pytest.fixture
def tiers(lab: Lab) -> Iterator[Lab]:
    """The three tiers with a policy that tolerates nothing; whatever enforces it is removed."""
    lab.up(three_tiers(**ALLOW))
    yield lab
    enforcement.off(lab.name)


@contextmanager
def watched(lab: Lab) -> Iterator[list[Change]]:
    """Enforce the policy and keep it so; yields what happens."""
    changes: list[Change] = []
    project = compose_project.project(compose_cli.resolved(lab.selection))
    with enforcement.enforcer(project) as enforcer:
        enforcer.apply()
        with kept_enforced(enforcer, changes.append):
            yield changes


def in_namespace(container: str) -> list[str]:
    """Return the beginning of a command in the network namespace of a container."""
    pid = json.loads(docker("inspect", container))[0]["State"]["Pid"]
    return ["nsenter", "--target", str(pid), "--net"]


def forget_neighbors(container: str) -> None:
    """Let a container ask again who has which address."""
    subprocess.run([*in_namespace(container), "ip", "neighbor", "flush", "all"], check=True)


def soon_reaches(container: str, target: str, port: int, seconds: float = 5) -> float:
    """Wait until a connection comes about, and return the seconds that it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if reaches(container, target, port):
            return time.monotonic() - began
    raise AssertionError(f"{container} did not reach {target}:{port} within {seconds} s")


def test_without_it_the_policy_is_breached_and_with_it_proven(
    tiers: Lab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is taken away by the project's name, in a folder that has no Compose file."""
    before = tables()
    breached = judgements(tiers.prove())
    assert Judgement.BREACH is breached["proxy", "db:3306"]

    cloison(tiers, "enforce", "--status", code=1)
    proven = cloison(tiers, "enforce", "--strict", "--format", "json")
    totals = json.loads(proven.stdout)["totals"]
    status = cloison(tiers, "enforce", "--status")
    argv = [COMMAND, "enforce", "--off", "--project-name", tiers.name]
    off = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=tmp_path_factory.mktemp("elsewhere"))

    assert f"{tiers.name}: nothing is enforced any more" in off.stderr
    assert ("proven", 0, 0) == (json.loads(proven.stdout)["verdict"]["word"], totals["tolerated"], totals["drift"])
    assert f"{tiers.name} is enforced" in status.stdout
    assert before == tables()
    assert breached == judgements(tiers.prove())


def test_a_dry_run_prints_what_can_be_loaded_and_changes_nothing(tiers: Lab, tmp_path: Path) -> None:
    before = tables()
    text = cloison(tiers, "enforce", "--dry-run").stdout
    (tmp_path / "rules.nft").write_text(text)

    assert 'comment "x-cloison.allow[2]: app -> db:3306"' in text
    assert before == tables()
    subprocess.run(["nft", "--check", "--file", str(tmp_path / "rules.nft")], check=True)


def test_a_network_has_no_policy_without_a_file_that_says_one(lab: Lab) -> None:
    lab.up({"services": {"app": service(80)}})

    assert "the file has no policy to enforce" in cloison(lab, "enforce", code=2).stderr
    argv = [COMMAND, "enforce", "--off", "--project-name", "x; flush ruleset"]
    refused = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (2, True) == (refused.returncode, "a project's name has" in refused.stderr)
    assert "give one of them" in cloison(lab, "enforce", "--off", "--status", code=2).stderr


def test_a_container_that_restarts_is_closed_until_it_is_known_and_then_open(tiers: Lab) -> None:
    """The network of the database is probed at all of its first addresses, from a container that may not."""
    back = f"{tiers.name}_back"
    database = tiers.container("db")
    near = [f"{address(database, back).rpartition('.')[0]}.{last}" for last in range(2, 9)]
    own = address(tiers.container("proxy"), back)
    waits = []
    others = [found for found in near if found != own]
    with watched(tiers) as changes, forbidden_probes(tiers.container("proxy"), 3306, others) as probes:
        for _ in range(RESTARTS):
            docker("restart", "--time", "0", database)
            waits.append(soon_reaches(tiers.container("app"), address(database, back), 3306))
    assert [] == probes.reached
    assert probes.tried > RESTARTS
    assert max(waits) < 3, waits
    assert len(changes) >= RESTARTS
    assert {0.0} == {change.gap for change in changes}


def test_a_container_that_starts_later_is_closed_without_anybody_who_watches(tiers: Lab) -> None:
    cloison(tiers, "enforce", "--quiet")
    back = f"{tiers.name}_back"
    docker("restart", "--time", "0", tiers.container("db"))
    database = address(tiers.container("db"), back)

    assert not reaches(tiers.container("app"), database, 3306)
    assert not reaches(tiers.container("proxy"), database, 3306)
    assert "is not what the policy" in cloison(tiers, "enforce", "--status", code=1).stdout
    cloison(tiers, "enforce", "--quiet")
    assert reaches(tiers.container("app"), database, 3306)


def test_networks_are_closed_from_the_start_of_the_machine_on(tiers: Lab, tmp_path: Path) -> None:
    """The command of the unit, which runs before the engine, loads what the containers find when they start."""
    tiers.compose("stop", "--timeout", "0")
    (tmp_path / "shop.nft").write_text(cloison(tiers, "enforce", "--dry-run", "--closed").stdout)
    unit = (ROOT / "contrib/systemd/cloison-closed.service").read_text()
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).partition("=")[2]
    subprocess.run(shlex.split(command.replace("/etc/cloison/closed", str(tmp_path))), check=True)
    tiers.compose("start")
    database = address(tiers.container("db"), f"{tiers.name}_back")

    assert not reaches(tiers.container("app"), database, 3306)
    assert not reaches(tiers.container("proxy"), database, 3306)
    cloison(tiers, "enforce", "--quiet", "--strict")
    assert reaches(tiers.container("app"), database, 3306)
    assert not reaches(tiers.container("proxy"), database, 3306)


def test_a_foreign_container_is_closed_in_both_directions(tiers: Lab) -> None:
    back = f"{tiers.name}_back"
    with watched(tiers):
        server = service(9000)
        name = f"{tiers.name}-spy"
        docker("run", "--detach", "--rm", "--name", name, "--network", back, "--entrypoint", "python", server["image"],
               *server["entrypoint"][1:])  # fmt: skip
        try:
            time.sleep(1)
            spy = address(name, back)
            assert not reaches(name, address(tiers.container("db"), back), 3306)
            assert not reaches(tiers.container("app"), spy, 9000)
            assert reaches(tiers.container("app"), address(tiers.container("db"), back), 3306)
        finally:
            docker("rm", "--force", name)


def test_a_forged_and_a_taken_over_address_are_worth_nothing(lab: Lab) -> None:
    """The proxy, which may change its interfaces, takes the address of the application and asks for the database."""
    document = three_tiers(**ALLOW)
    document["services"]["proxy"] |= {"cap_add": ["NET_ADMIN"], "privileged": True}
    lab.up(document)
    back, proxy = f"{lab.name}_back", lab.container("proxy")
    database, app = address(lab.container("db"), back), address(lab.container("app"), back)
    try:
        cloison(lab, "enforce", "--quiet")
        ip = [*in_namespace(proxy), "ip"]
        route = subprocess.run([*ip, "-j", "route", "get", database], check=True, capture_output=True, text=True).stdout
        subprocess.run([*ip, "address", "add", f"{app}/32", "dev", json.loads(route)[0]["dev"]], check=True)
        docker("pause", lab.container("app"))
        assert not reaches(proxy, database, 3306, source=app)
        docker("unpause", lab.container("app"))
        docker("stop", "--time", "0", lab.container("app"))
        forget_neighbors(lab.container("db"))
        assert not reaches(proxy, database, 3306, source=app)
    finally:
        enforcement.off(lab.name)
    forget_neighbors(lab.container("db"))
    assert reaches(proxy, database, 3306, source=app), "the address is worth something without enforcement"


def test_a_tightened_policy_cuts_what_it_forbids(tiers: Lab) -> None:
    cloison(tiers, "enforce", "--quiet")
    database = address(tiers.container("db"), f"{tiers.name}_back")
    talk = (
        "import socket, sys, time\n"
        f"s = socket.create_connection(({database!r}, 4000), 2)\n"
        "print('begun', flush=True); sys.stdin.readline()\n"
        "s.settimeout(2); s.sendall(b'x'); print(s.recv(1), flush=True)\n"
    )
    echo = (
        "import socket\nl = socket.create_server(('', 4000))\nwhile True:\n  c = l.accept()[0]\n  c.sendall(c.recv(1))"
    )
    docker("exec", "--detach", tiers.container("db"), "python", "-c", echo)
    document = tiers.document
    for allow, said in (([*ALLOW["allow"], "app -> db:4000"], "b'x'"), (ALLOW["allow"], "")):
        tiers.write({**document, "x-cloison": {"allow": [*ALLOW["allow"], "app -> db:4000"]}})
        cloison(tiers, "enforce", "--quiet", "--fail-on", "none")
        argv = ["docker", "exec", "--interactive", tiers.container("app"), "python", "-c", talk]
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as client:
            assert client.stdout
            assert client.stdout.readline() == "begun\n"
            tiers.write({**document, "x-cloison": {"allow": allow}})
            cloison(tiers, "enforce", "--quiet", "--fail-on", "none")
            out, _ = client.communicate("go\n", timeout=30)
        assert said == out.strip()


def test_rules_that_somebody_removes_are_back_at_once_and_the_gap_is_told(tiers: Lab) -> None:
    back = f"{tiers.name}_back"
    with watched(tiers) as changes:
        for family in ("inet", "bridge"):
            subprocess.run(["nft", "delete", "table", family, f"cloison_{tiers.name}"], check=True)
        for _ in range(50):
            if any(change.gap for change in changes) and not enforcement.standing(tiers.name).keys() ^ {
                "inet",
                "bridge",
            }:
                break
            time.sleep(0.1)
        assert not reaches(tiers.container("proxy"), address(tiers.container("db"), back), 3306)
        subprocess.run(["nft", "flush", "chain", "inet", f"cloison_{tiers.name}", "routed"], check=True)
        time.sleep(1.5)
        assert [] == enforcement.standing_differs(tiers.name, text(tiers))
    assert any("somebody changed the rules" in change.sentence for change in changes)
    assert all(change.gap < 2 for change in changes), changes


def test_rules_that_are_removed_are_back_although_the_engine_is_away(
    tiers: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise NotProven("the engine stopped answering")

    with watched(tiers):
        monkeypatch.setattr(enforcement.Enforcer, "_read", away)
        for family in ("inet", "bridge"):
            subprocess.run(["nft", "delete", "table", family, f"cloison_{tiers.name}"], check=True)
        time.sleep(1.5)
        assert {"inet", "bridge"} == enforcement.standing(tiers.name).keys()
        back = f"{tiers.name}_back"
        assert not reaches(tiers.container("proxy"), address(tiers.container("db"), back), 3306)
        assert reaches(tiers.container("app"), address(tiers.container("db"), back), 3306)


def text(lab: Lab) -> str:
    """Return the rules that a project needs now."""
    project = compose_project.project(compose_cli.resolved(lab.selection))
    with enforcement.enforcer(project) as enforcer:
        return enforcer.plan().text


def test_up_starts_no_container_unenforced(lab: Lab) -> None:
    """A probe from inside the first container to start, from its first instruction on, reaches nothing forbidden."""
    hostile = (
        "import socket, time\nends, reached = time.monotonic() + 6, 0\n"
        "print('listening', flush=True)\n"
        "while time.monotonic() < ends:\n"
        "    s = socket.socket(); s.settimeout(0.05)\n"
        "    try:\n        s.connect(('db', 3306)); reached += 1\n"
        "    except OSError:\n        pass\n"
        "    s.close()\n"
        "print('reached', reached, flush=True)\ntime.sleep(600)\n"
    )
    services: dict[str, Any] = {
        "db": service(3306, networks=["net"], expose=["3306"]),
        "hostile": service(networks=["net"]) | {"entrypoint": ["python", "-c", hostile]},
    }
    for body in services.values():
        body["healthcheck"] = {"test": ["CMD", "true"], "interval": "1s"}
    lab.write({"services": services, "networks": {"net": {}}, "x-cloison": {"allow": [], "enforce": True}})
    try:
        cloison(lab, "up", "--quiet", "--strict")
        for _ in range(100):
            if "reached" in (said := docker("logs", lab.container("hostile"))):
                break
            time.sleep(0.1)
        assert said.endswith("reached 0")
    finally:
        enforcement.off(lab.name)


def test_packets_inside_a_bridge_are_closed_although_the_machine_does_not_filter_bridges(tiers: Lab) -> None:
    setting = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    before = setting.read_text()
    setting.write_text("0")
    try:
        cloison(tiers, "enforce", "--strict", "--quiet")
        bridges = enforcement.filtered(tiers.name)
        assert 2 == len(bridges)
        cloison(tiers, "enforce", "--off")
        assert not any(bridge_filtering.is_on(name) for name in bridges)
    finally:
        setting.write_text(before)


def test_watching_proves_after_a_change_and_tells_it(tiers: Lab) -> None:
    document = tiers.document
    argv = [COMMAND, "watch", *tiers.selection.options, "--enforce", "--interval", "2"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watch:
        assert watch.stdout
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(watch.stdout or ()), daemon=True)
        reader.start()
        try:
            _await(lines, "PROVEN")
            tiers.write({**document, "x-cloison": {"allow": ALLOW["allow"][:2]}})
            _await(lines, "app -> db:3306")
        finally:
            watch.terminate()
            watch.wait(30)
        reader.join()
    assert 143 == watch.returncode
    assert any("closed" in line and "app -> db:3306" in line for line in lines), lines


def _await(lines: list[str], word: str) -> None:
    for _ in range(300):
        if any(word in line for line in list(lines)):
            return
        time.sleep(0.1)
    raise AssertionError(f"{word} was not said: {lines}")
