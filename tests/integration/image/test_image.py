"""The command's own image plans and proves: as an ordinary user, without capabilities and without a network."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.integration.compose_project import Lab, docker, service

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[3]
NAME = f"localhost/cloison-test-{os.getpid()}:latest"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/install.md").read_text(), re.MULTILINE | re.DOTALL)
DOCUMENT = {
    "services": {
        "web": service(8000, networks=["front"], expose=["8000"]),
        "db": service(5432, networks=["back"], expose=["5432"]),
    },
    "networks": {"front": {"internal": True}, "back": {"internal": True}},
    "x-cloison": {"allow": [], "tolerate": [{"flow": "* -> host", "why": "every bridge has an address of the host's"}]},
}
AGENT_TAG = "from cloison.remote import image_context; print(image_context.digest()[:12])"


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The image of this clone, and the agent's image that it builds, both removed at the end."""
    done = subprocess.run(
        [ROOT / "setup/image.sh", NAME], check=False, capture_output=True, text=True, timeout=280, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    try:
        yield NAME
    finally:
        digest = docker("run", "--rm", "--network=none", "--entrypoint=python", NAME, "-c", AGENT_TAG)
        subprocess.run(
            ["docker", "rmi", f"localhost/cloison/agent:{version('cloison')}-{digest}"],
            check=False,
            capture_output=True,
        )
        docker("rmi", NAME)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A running project."""
    project = Lab(tmp_path / f"cloisonimage{os.getpid()}")
    project.folder.mkdir(mode=0o755)
    try:
        yield project
    finally:
        project.compose("down", "--timeout", "0")


def run(image: str, project: Lab, verb: str, *others: str) -> subprocess.CompletedProcess[str]:
    """Run the command of docs/install.md for a verb, in a project's folder and with this image."""
    line = next(block for block in BLOCKS if block.endswith(f"localhost/cloison {verb}\n"))
    words = f"{line.replace('localhost/cloison', image).rstrip()} -f compose.json {' '.join(others)}"
    return subprocess.run(
        ["bash", "-c", words], cwd=project.folder, check=False, capture_output=True, text=True, timeout=200
    )


def test_plan_needs_no_engine_no_network_and_no_root(image: str, lab: Lab) -> None:
    lab.write(DOCUMENT)
    done = run(image, lab, "plan", "--format", "json")

    assert 0 == done.returncode, done.stderr
    plan = json.loads(done.stdout)
    assert (lab.name, "sound") == (plan["project"]["name"], plan["verdict"]["word"])


def test_prove_needs_the_engines_socket_and_no_capability(image: str, lab: Lab) -> None:
    lab.up(DOCUMENT)
    done = run(image, lab, "prove", "--format", "json")

    assert 0 == done.returncode, done.stderr
    proof = json.loads(done.stdout)
    assert (lab.name, "proven") == (proof["project"]["name"], proof["verdict"]["word"])


def test_without_the_group_of_the_socket_the_sentence_says_so(image: str, lab: Lab) -> None:
    lab.write(DOCUMENT)
    line = next(block for block in BLOCKS if block.endswith("localhost/cloison prove\n"))
    words = re.sub(r'--group-add "[^"]*"', "", line.replace("localhost/cloison", image)).rstrip() + " -f compose.json"
    done = subprocess.run(["bash", "-c", words], cwd=lab.folder, check=False, capture_output=True, text=True)

    assert "--group-add" not in words
    assert 3 == done.returncode
    assert "as a member of the group that owns the socket" in done.stderr


def test_the_image_is_that_of_an_ordinary_user_and_has_no_rest_of_the_build(image: str) -> None:
    config = json.loads(docker("image", "inspect", image))[0]["Config"]
    rest = docker("run", "--rm", "--network=none", "--entrypoint=sh", image, "-c", "ls /opt/cloison/bin /tmp")

    assert ("10001:10001", ["cloison"], "/project") == (config["User"], config["Entrypoint"], config["WorkingDir"])
    assert {"cloison"} == {name for name in rest.split() if not name.startswith(("python", "/"))}
    assert f"cloison {version('cloison')}" == docker("run", "--rm", "--network=none", image, "--version")
