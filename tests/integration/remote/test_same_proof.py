"""Every user and every endpoint of the engine gives the proof that root gets on the engine's machine."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.integration.compose_project import Lab, docker, failures, three_tiers
from tests.integration.observe.hand_made_members import NETNS, namespace, network, veth
from tests.integration.observe.host_changes import done, run
from tests.integration.remote.engine_endpoints import EngineEndpoint
from tests.integration.remote.ordinary_user import COMMAND, SOCKET, OrdinaryUser, ordinary_user
from tests.integration.same_proof import same_proof

from cloison.engine import ssh_tunnel
from cloison.engine.labels import AGENT_LABEL
from cloison.proof.schema import Proof, canonical, parse
from cloison.reports.verdict_line import verdict_line

pytestmark = pytest.mark.engine


def asked(user: OrdinaryUser, lab: Lab, **environment: str) -> Proof:
    """Prove a project as an ordinary user."""
    words = ("prove", *lab.selection.options, "--format", "json", "--patience", "0.4")
    code, out, err = user.run(*words, **environment)
    assert code in (0, 1), err
    proof = parse(out.encode())
    assert [verdict_line(proof, strict=False)] == err.splitlines()
    assert out.encode() == canonical(proof)
    return proof


@contextmanager
def docker_host_set(environment: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and restore them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield


def proof_from(lab: Lab, environment: Mapping[str, str]) -> Proof:
    """Prove a project as root, with the engine that an environment names."""
    with docker_host_set(environment):
        return lab.prove()


def agents() -> list[str]:
    """Return the agents that the engine has, running or not."""
    return docker("ps", "--all", "--filter", f"label={AGENT_LABEL}", "--format", "{{.ID}} {{.State}}").splitlines()


def test_an_ordinary_user_gets_roots_proof(tiers: Lab, user: OrdinaryUser) -> None:
    same_proof(tiers.prove, lambda: asked(user, tiers))
    assert [] == agents()


def test_the_agent_observes_a_breach_as_well(lab: Lab, user: OrdinaryUser) -> None:
    lab.up(three_tiers(allow=["outside -> proxy:80"]))

    same_proof(lab.prove, lambda: asked(user, lab))
    assert ("proxy", "app:5000") in failures(asked(user, lab))


NATIVE_NAT = """table ip mynat {{
    chain pre {{
        type nat hook prerouting priority -110
        tcp dport 13306 dnat to {app}:5000
    }}
    chain post {{
        type nat hook postrouting priority 90
        ct status dnat ip daddr {app} masquerade
    }}
}}
"""


def test_the_agent_observes_a_port_that_nftables_translates(tiers: Lab, user: OrdinaryUser) -> None:
    networks = json.loads(docker("inspect", tiers.container("app")))[0]["NetworkSettings"]["Networks"]
    app = next(iter(networks.values()))["IPAddress"]
    accept = ("-d", app, "-m", "conntrack", "--ctstate", "DNAT", "-j", "ACCEPT")
    subprocess.run(["iptables", "--wait", "-I", "DOCKER-USER", *accept], check=True)
    subprocess.run(["nft", "-f", "-"], input=NATIVE_NAT.format(app=app), text=True, check=True)
    try:
        same_proof(tiers.prove, lambda: asked(user, tiers))
        assert ("outside", "app:5000") in failures(asked(user, tiers))
    finally:
        subprocess.run(["nft", "delete", "table", "ip", "mynat"], check=True)
        subprocess.run(["iptables", "--wait", "-D", "DOCKER-USER", *accept], check=True)


def test_the_agent_finds_the_members_that_the_engine_does_not_know(tiers: Lab, user: OrdinaryUser) -> None:
    bridge, address = network(tiers)
    tunnel = ("ip", "link", "add", "cloisonvx", "type", "vxlan", "id", "7", "remote", "192.0.2.7", "dstport", "4789")
    with namespace(*veth(bridge, address)), done(tunnel, ("ip", "link", "del", "cloisonvx")):
        run("ip", "link", "set", "cloisonvx", "master", bridge, "up")

        same_proof(tiers.prove, lambda: asked(user, tiers))
        found = failures(asked(user, tiers))

    assert {"drift"} == found[f"stranger:netns-{NETNS}", "db:3306"]
    assert {"unknown"} == found["stranger:cloisonvx", "db:3306"]


def test_an_engine_at_a_tcp_address(tiers: Lab, user: OrdinaryUser, over_tcp: EngineEndpoint) -> None:
    same_proof(tiers.prove, lambda: asked(user, tiers, **over_tcp.environment))


def test_root_with_an_engine_elsewhere(tiers: Lab, over_tcp: EngineEndpoint) -> None:
    same_proof(tiers.prove, lambda: proof_from(tiers, over_tcp.environment))


def test_an_engine_behind_certificates(tiers: Lab, user: OrdinaryUser, over_tls: EngineEndpoint) -> None:
    same_proof(tiers.prove, lambda: asked(user, tiers, **over_tls.environment))


@pytest.mark.parametrize("missing", ["--bounding-set=-sys_admin", "--bounding-set=-net_raw"])
def test_root_without_a_capability_uses_the_agent(tiers: Lab, missing: str) -> None:
    def asked_by_half_a_root() -> Proof:
        words = [COMMAND, "prove", *tiers.selection.options, "--format", "json", "--patience", "0.4"]
        done = subprocess.run(["setpriv", missing, *words], check=True, capture_output=True)
        return parse(done.stdout)

    same_proof(tiers.prove, asked_by_half_a_root)


@pytest.mark.parametrize("chosen", ["by variable", "as current"])
def test_an_engine_of_a_docker_context(tiers: Lab, over_tls: EngineEndpoint, chosen: str) -> None:
    folder, address = over_tls.environment["DOCKER_CERT_PATH"], over_tls.environment["DOCKER_HOST"]
    files = f"ca={folder}/ca.pem,cert={folder}/cert.pem,key={folder}/key.pem"
    with ordinary_user() as other:
        far = {"DOCKER_CONFIG": str(other.home / ".docker")}
        with docker_host_set(far):
            docker("context", "create", "far", "--docker", f"host={address},{files}")
            if chosen == "by variable":
                (other.home / ".docker/config.json").write_text("{}")  # the library finds contexts beside one alone
                far["DOCKER_CONTEXT"] = "far"
            else:
                docker("context", "use", "far")

        same_proof(tiers.prove, lambda: proof_from(tiers, far))


FAKE = """#!/bin/sh
# Stands in for ssh: says what it was told, and is the other machine itself.
echo "$@" >> '{log}'
while [ "$1" != -- ]; do shift; done
shift 2
exec env -u DOCKER_HOST "$@"
"""


def test_the_tunnel_of_a_killed_command_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folders = {name: tmp_path / f"{ssh_tunnel.PREFIX}{name}" for name in ("left", "held", "young")}
    for name, folder in folders.items():
        folder.mkdir()
        (folder / ssh_tunnel.LOG_FILE).touch()
        if name != "young":
            os.utime(folder, (0, 0))

    with (folders["held"] / ssh_tunnel.LOG_FILE).open() as words:
        fcntl.flock(words, fcntl.LOCK_EX)
        with ssh_tunnel.Tunnel("ssh://far"):
            pass

    assert ["held", "young"] == [name for name, folder in sorted(folders.items()) if folder.exists()]


def test_an_engine_behind_ssh(tiers: Lab, user: OrdinaryUser) -> None:
    log = user.home / "asked"
    program = user.home / "ssh"
    program.write_text(FAKE.format(log=log))
    program.chmod(0o755)

    path = f"{user.home}:{os.environ['PATH']}"
    same_proof(tiers.prove, lambda: asked(user, tiers, DOCKER_HOST="ssh://me@Far:2222", PATH=path))
    said = {line.partition(" -T ")[2] for line in log.read_text().splitlines()}
    assert {"-o ConnectTimeout=15 -o BatchMode=yes -l me -p 2222 -- Far docker system dial-stdio"} == said


def test_a_rehearsal_by_an_ordinary_user(tiers: Lab, user: OrdinaryUser) -> None:
    code, out, err = user.run("rehearse", *tiers.selection.options, "--format", "json")

    assert 0 == code, err
    proof = parse(out.encode())
    assert [verdict_line(proof, strict=False)] == err.splitlines()
    assert proof.project.name.startswith(f"{tiers.name}-rehearsal-")
    assert len(proof.flows) == len(tiers.prove().flows)
    assert "" == docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={proof.project.name}")
    assert [] == agents()


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"allow": ["proxy -> apii:5000"]}, 'x-cloison.allow[0]: no service "apii" (did you mean "app"?)'),
        ({"allow": ["proxy -> app:5001"]}, 'x-cloison.allow[0]: service "app" has no port 5001/tcp; it has 5000/tcp'),
    ],
)
def test_a_wrong_policy_has_the_same_code_and_sentence(
    tiers: Lab, user: OrdinaryUser, policy: dict[str, Any], sentence: str
) -> None:
    document = json.loads((tiers.folder / "compose.json").read_text()) | {"x-cloison": policy}
    (tiers.folder / "wrong.json").write_text(json.dumps(document))

    code, out, err = user.run("prove", "-f", str(tiers.folder / "wrong.json"), "-p", tiers.name)

    assert (2, "", 1) == (code, out, err.count("\n"))
    assert err.startswith(f"cloison: {sentence}")


def test_a_project_that_does_not_run_has_the_same_sentence(lab: Lab, user: OrdinaryUser) -> None:
    lab.write(three_tiers())

    code, out, err = user.run("prove", *lab.selection.options)

    assert (3, "") == (code, out)
    assert f'cloison: no container of project "{lab.name}" is running' in err


def test_a_user_without_access_to_the_engine_gets_advice(tiers: Lab) -> None:
    with ordinary_user(asks=False) as unprivileged:
        code, out, err = unprivileged.run("prove", *tiers.selection.options)

    assert (3, "") == (code, out)
    assert f"this user may not ask the Docker engine at unix://{SOCKET}; run it again with sudo" in err


def test_an_engine_that_is_not_there(tiers: Lab, user: OrdinaryUser) -> None:
    for address, words in {"tcp://127.0.0.1:1": "no Docker engine answers", "ssh://": "has no host"}.items():
        code, out, err = user.run("prove", *tiers.selection.options, DOCKER_HOST=address)

        assert (3, "") == (code, out)
        assert words in err
        assert "Traceback" not in err
