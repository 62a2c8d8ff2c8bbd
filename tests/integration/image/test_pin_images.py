"""setup/pin-images.sh against a registry of its own: the digests become the defaults, and a moved tag is told."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.publish.local_registry import docker, free_port, make_image

ROOT = Path(__file__).parents[3]
FILES = ("compose.yml", "app/Dockerfile", "images/cloison/Dockerfile")
TAGS = ("mariadb:11", "nginx:alpine", "python:3.11-slim", "docker:28-cli")
DIGEST = r"@sha256:[0-9a-f]{64}"


@dataclass(frozen=True)
class Clone:
    """A copy of what the script reads, whose images are on the registry of the test."""

    folder: Path
    registry: str

    def pin(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        words = [str(self.folder / "setup/pin-images.sh"), *options]
        return subprocess.run(words, check=False, capture_output=True, text=True)

    def text(self) -> str:
        """Return the files that it changes."""
        return "\n".join((self.folder / name).read_text(encoding="utf-8") for name in FILES)

    def push(self, tag: str) -> None:
        """Have a new image at a tag."""
        name = f"{self.registry}/{tag}"
        make_image(name)
        docker("push", name)
        docker("rmi", name)


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    port, settings = free_port(), tmp_path / "registry.yml"
    config = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "storage")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    settings.write_text(json.dumps(config), encoding="utf-8")
    found = Clone(tmp_path / "clone", f"127.0.0.1:{port}")
    shutil.copytree(ROOT / "setup", found.folder / "setup")
    for name in FILES:
        (found.folder / name).parent.mkdir(parents=True, exist_ok=True)
        text = re.sub(DIGEST, "", (ROOT / name).read_text(encoding="utf-8"))
        for tag in TAGS:
            text = re.sub(rf"(:-|_IMAGE=){re.escape(tag)}", rf"\g<1>{found.registry}/{tag}", text)
        (found.folder / name).write_text(text, encoding="utf-8")
    process = subprocess.Popen(["docker-registry", "serve", str(settings)], stdout=subprocess.DEVNULL)
    try:
        for tag in TAGS:
            found.push(tag)
        yield found
    finally:
        process.kill()
        process.wait()
        for tag in TAGS:
            subprocess.run(["docker", "rmi", "--force", f"{found.registry}/{tag}"], capture_output=True, check=False)


def test_the_digests_of_the_registry_become_the_defaults(clone: Clone) -> None:
    before = clone.text()
    done = clone.pin()
    after = clone.text()

    assert done.returncode == 0, done.stderr
    assert len(re.findall(rf"{clone.registry}/\S+?{DIGEST}", after)) == len(re.findall(clone.registry, before)) == 6
    assert re.sub(DIGEST, "", after) == before
    for reference in set(re.findall(rf"{clone.registry}/[^\s}}]+{DIGEST}", after)):
        docker("pull", reference)


def test_a_moved_tag_is_told_and_pinned_anew(clone: Clone) -> None:
    assert clone.pin("--check").returncode == 1  # nothing is pinned yet
    assert clone.pin().returncode == clone.pin("--check").returncode == 0
    pinned = clone.text()
    clone.push("nginx:alpine")
    moved = clone.pin("--check")

    assert moved.returncode == 1
    assert f"Not pinned to what the registry has now: {clone.registry}/nginx:alpine." in moved.stderr
    assert clone.text() == pinned
    assert clone.pin().returncode == clone.pin("--check").returncode == 0
    assert clone.text() != pinned


def test_a_registry_that_does_not_have_an_image_changes_nothing_for_it(clone: Clone) -> None:
    path = clone.folder / "app/Dockerfile"
    text = path.read_text(encoding="utf-8").replace("python:3.11-slim", "python:none")
    path.write_text(text, encoding="utf-8")
    done = clone.pin()

    assert done.returncode == 1
    assert "python:none could not be pulled" in done.stderr
    assert path.read_text(encoding="utf-8") == text
