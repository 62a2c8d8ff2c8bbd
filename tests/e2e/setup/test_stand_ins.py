"""images/build.sh with a fake mmdebstrap and a fake docker: what it builds again, and when."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OFFERED = {"python": "python3 3.11.2-6", "nginx": "nginx 1.30.6-2", "mariadb": "mariadb-server-core 1:11.8.9-0"}

MMDEBSTRAP = """
for word in "$@"; do
  [[ $word != --simulate ]] || simulated=1
  [[ $word != --include=* ]] || include=${word#--include=}
done
echo "mmdebstrap ${simulated:+simulated }$include" >> "$HOME/calls"
[[ -z ${BROKEN:-} ]] || exit 1
echo "I: running apt-get update..."
[[ -z ${simulated:-} ]] || sed 's/\\(.*\\) \\(.*\\)/Inst \\1 (\\2 Debian:1 [amd64]) []/' "$HOME/offered"
for word in "$@"; do [[ $word != *.tar || -n ${simulated:-} ]] || echo root > "$word"; done
"""
DOCKER = """
case "$1 $2" in
  "image inspect")
    case "$4" in
      *Created*) date -d '-40 days' --iso-8601=seconds ;;
      *) cat "$HOME/label.${5##*/}" ;;
    esac
    ;;
  "build --label") echo "${3#*=}" > "$HOME/label.${7##*/}"; echo "docker build $7" >> "$HOME/calls" ;;
  "run --rm") cat "$HOME/installed" ;;
esac
"""


class Machine:
    """Commands and their calls."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for name, script in {"mmdebstrap": MMDEBSTRAP, "docker": DOCKER}.items():
            (home / name).write_text(f"#!/bin/bash\n{script}", encoding="utf-8")
            (home / name).chmod(0o755)
        for kind in ("offered", "installed"):
            (home / kind).write_text("\n".join(sorted(OFFERED.values())) + "\n", encoding="utf-8")

    def build(self, *options: str, **environment: str) -> tuple[str, list[str]]:
        """Run the script; return what it printed, and the images that it built."""
        (self.home / "calls").write_text("", encoding="utf-8")
        set_up = {**os.environ, "HOME": str(self.home), "PATH": f"{self.home}:{os.environ['PATH']}", **environment}
        words = ["images/build.sh", *options]
        done = subprocess.run(words, cwd=ROOT, env=set_up, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        calls = (self.home / "calls").read_text(encoding="utf-8").splitlines()
        return done.stdout, sorted(call.split("/")[-1] for call in calls if call.startswith("docker build"))


ALL = ["airgap-mariadb:11", "airgap-nginx:latest", "airgap-python:3.11"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine on which the images are built already."""
    found = Machine(tmp_path)
    assert found.build()[1] == ALL
    return found


def test_without_newer_packages_nothing_is_built_again(machine: Machine) -> None:
    said, built = machine.build("--refresh")

    assert built == []
    assert said.count("is up to date; it was built 40 days ago") == 3


def test_newer_packages_are_named_and_the_image_is_built_again(machine: Machine) -> None:
    (machine.home / "offered").write_text("libssl3 3.1\nnginx 1.30.7-1\n", encoding="utf-8")
    said, built = machine.build("--refresh")

    assert built == ALL
    assert "airgap-nginx:latest: newer packages: libssl3 3.1, nginx 1.30.7-1" in said


def test_only_a_refresh_asks_debian(machine: Machine) -> None:
    (machine.home / "offered").write_text("nginx 1.30.7-1\n", encoding="utf-8")

    assert machine.build()[1] == []
    assert (machine.home / "calls").read_text(encoding="utf-8") == ""


def test_a_mirror_that_does_not_answer_changes_nothing(machine: Machine) -> None:
    said, built = machine.build("--refresh", BROKEN="1")

    assert built == []
    assert said.count("Debian's packages cannot be asked for; the image stays as it is") == 3
