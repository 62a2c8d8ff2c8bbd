"""The agent's image holds the program that runs here, and its tag is a digest of it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.integration.compose_project import docker

from cloison.engine import connection
from cloison.errors import NotProven
from cloison.remote import agent_image, image_context
from cloison.remote.image_context import Interpreter, from_installed

pytestmark = pytest.mark.engine
LOCKED = Path(__file__).parents[3] / "requirements/run.txt"


def names(context: bytes) -> set[str]:
    """Return the files of a context."""
    with tarfile.open(fileobj=io.BytesIO(context)) as tar:
        return set(tar.getnames())


def test_a_context_holds_the_program_and_its_packages() -> None:
    found = names(from_installed())

    assert {"Dockerfile", "site/cloison/agent.py", "site/cloison/remote/agent.Dockerfile"} <= found
    assert "site/cloison_view/verdict.py" in found
    assert {"site/msgspec/__init__.py", "site/pyroute2/__init__.py", "site/docker/__init__.py"} <= found
    assert not {name for name in found if "pytest" in name or "mypy" in name.split("/") or name.endswith(".pyc")}


def test_the_same_program_has_the_same_context_and_digest() -> None:
    words = (
        "from hashlib import sha256; from cloison.remote import image_context; "
        "print(image_context.digest(), sha256(image_context.from_installed()).hexdigest())"
    )
    said = {subprocess.run([sys.executable, "-c", words], check=True, capture_output=True).stdout for _ in range(2)}

    assert 1 == len(said)


def test_the_packages_that_are_packed_are_those_that_are_locked() -> None:
    here = re.compile(r"([a-z0-9.-]+)==[^;]*$")  # without those of another system
    locked = {match[1] for line in LOCKED.read_text().splitlines() if (match := here.match(line))}
    form = re.compile(r"site/([^/]+?)-[^-/]+\.dist-info/METADATA")
    packed = {match[1].replace("_", "-").lower() for name in names(from_installed()) if (match := form.match(name))}

    assert locked | {"cloison"} == packed


def test_for_another_python_only_locked_packages_are_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    altered = tmp_path / "altered.txt"
    altered.write_text(LOCKED.read_text().replace("sha256:", "sha256:0000"))
    monkeypatch.setattr(image_context, "_requirements_file", lambda: altered)

    with pytest.raises(NotProven, match=r"pip could not download the packages for Python 3\.13 on aarch64"):
        image_context.from_index(Interpreter("3.13", "cpython-313-aarch64-linux-gnu"))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The tag of an image that is not there yet."""
    monkeypatch.setattr(image_context, "digest", lambda: "0123456789abtest")
    tag = f"{agent_image.REPOSITORY}:{version('cloison')}-0123456789ab"
    yield tag
    docker("image", "rm", tag)


def test_packages_for_another_python_are_downloaded(fresh: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        image_context, "running_interpreter", lambda: Interpreter("3.99", "cpython-399-x86_64-linux-gnu")
    )
    with connection.engine_connection() as engine:
        made = agent_image.image(engine.api, lambda _: None)

    said = docker("run", "--rm", "--entrypoint", "python", made, "-c", "import msgspec; print(msgspec.__file__)")
    assert (fresh, "/opt/cloison/msgspec/__init__.py") == (made, said)


def test_an_image_is_built_once(fresh: str) -> None:
    said: list[str] = []
    with connection.engine_connection() as engine:
        first = agent_image.image(engine.api, said.append)
        (document,) = json.loads(docker("image", "inspect", first))
        again = agent_image.image(engine.api, said.append)

    assert (fresh, fresh, 1) == (first, again, len(said))
    assert document["Config"]["Entrypoint"] == ["python", "-m", "cloison.agent"]


def load(*tags: str, made: str = "2020-01-01T00:00:00Z", **labels: str) -> str:
    """Have the engine hold an image of this age and return its number."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w"):
        pass
    whole = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": made,
        "config": {"Labels": {**labels, "tags": " ".join(tags)}, "Cmd": ["/nothing"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{whole}"]},
    }
    said = json.dumps(config).encode()
    manifest = [{"Config": "config.json", "RepoTags": tags, "Layers": ["layer.tar"]}]
    parts = {"manifest.json": json.dumps(manifest).encode(), "config.json": said, "layer.tar": layer.getvalue()}
    with tarfile.open(fileobj=(archive := io.BytesIO()), mode="w") as tar:
        for name, content in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    subprocess.run(["docker", "load"], input=archive.getvalue(), check=True, capture_output=True)
    return f"sha256:{hashlib.sha256(said).hexdigest()}"


def test_a_build_removes_images_of_earlier_versions_only(fresh: str) -> None:
    reference, label = f"{agent_image.REPOSITORY}:0.0", {agent_image.BASE_LABEL: "python:3"}
    left = {load(f"{reference}-left", **label), load(f"{reference}-one", f"{reference}-two", **label)}
    kept = {
        load(f"{reference}-today", made=datetime.now(UTC).isoformat(), **label),
        load(f"{reference}-without-label"),
        load(f"{reference}-named", "cloison-tests/mine:1", **label),
        load(f"{reference}-used", **label),
    }
    user = docker("create", f"{reference}-used")
    try:
        with connection.engine_connection() as engine:
            assert fresh == agent_image.image(engine.api, lambda _: None)
        there = {*docker("images", "--all", "--quiet", "--no-trunc").split()}

        assert (kept, set()) == (kept & there, left & there)
    finally:
        docker("rm", user)
        subprocess.run(["docker", "image", "rm", "--force", *kept, *left], check=False, capture_output=True)


def test_a_base_image_that_cannot_be_pulled_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(agent_image.BASE_IMAGE_VARIABLE, "127.0.0.1:1/nobody/python:1")
    with (
        connection.engine_connection() as engine,
        pytest.raises(NotProven, match="cannot be pulled") as caught,
    ):
        agent_image.image(engine.api, lambda _: None)

    assert "127.0.0.1:1/nobody/python:1" in str(caught.value)


def import_nothing(tag: str) -> None:
    """Make an empty image."""
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode="w"):
        pass
    subprocess.run(["docker", "import", "-", tag], input=buffer.getvalue(), check=True, capture_output=True)


def test_a_base_image_without_python_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(agent_image.BASE_IMAGE_VARIABLE, "localhost/cloison/without:python")
    import_nothing("localhost/cloison/without:python")
    try:
        with (
            connection.engine_connection() as engine,
            pytest.raises(NotProven, match="cannot run python"),
        ):
            agent_image.image(engine.api, lambda _: None)
    finally:
        docker("image", "rm", "localhost/cloison/without:python")
