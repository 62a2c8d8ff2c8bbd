from __future__ import annotations

import re
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.setup.conftest import FakeMachine, Result

NOBODY = 65534
# A machine in namespaces of its own, where no other engine is seen and a new one can be started.
ALONE = "ip link set lo up"


def no_engine(fake_machine: FakeMachine) -> None:
    fake_machine.docker({'"version --format"*': "echo 'Cannot connect to the Docker daemon' >&2; exit 1"})


# ── an engine that is there ─────────────────────────────────────────────────────────────────────────────────


def test_an_engine_that_answers_is_used_as_it_is(fake_machine: FakeMachine) -> None:
    result = fake_machine.run("setup/engine.sh")

    assert result.code == 0
    assert "Engine 28.5.2 at unix:///var/run/docker.sock, already there and used as it is" in result.said
    assert {call.split()[1] for call in fake_machine.calls() if call.startswith("docker ")} <= {"version", "context"}


def test_an_engine_elsewhere_is_used_as_it_is(fake_machine: FakeMachine) -> None:
    fake_machine.docker({'"context inspect"*': 'echo "$DOCKER_HOST"'})

    result = fake_machine.run("setup/engine.sh", DOCKER_HOST="tcp://192.0.2.1:2376")

    assert result.code == 0
    assert "at tcp://192.0.2.1:2376, already there" in result.said


@pytest.mark.parametrize("row", ["1.40 19.03.15", "1.39 18.09.1"])
def test_an_engine_that_is_too_old_is_named_and_left_alone(fake_machine: FakeMachine, row: str) -> None:
    fake_machine.docker({'"version --format {{.Server.APIVersion}}"*': f'echo "{row}"'})

    result = fake_machine.run("setup/engine.sh")

    assert result.code == 1
    assert f"is {row.split()[1]}, and Cloison needs 20.10 or newer. It was left as it is" in result.said


@pytest.mark.parametrize("row", ["1.41 20.10.24+dfsg1", "1.41 4.3.1", "1.100 99.0"])
def test_what_counts_is_the_api_that_an_engine_speaks(fake_machine: FakeMachine, row: str) -> None:
    fake_machine.docker({'"version --format {{.Server.APIVersion}}"*': f'echo "{row}"'})

    assert fake_machine.run("setup/engine.sh").code == 0


@pytest.mark.engine
def test_a_chosen_engine_that_does_not_answer_is_not_replaced(minimal_machine: FakeMachine) -> None:
    minimal_machine.have("docker")
    minimal_machine.fake("dockerd", "exit 1")

    result = minimal_machine.run("setup/engine.sh", DOCKER_HOST="tcp://127.0.0.1:1")

    assert result.code == 1
    assert "The engine at tcp://127.0.0.1:1, chosen by DOCKER_HOST or a Docker context, does not answer" in result.said
    assert minimal_machine.calls() == []


def test_a_socket_that_is_not_ours_names_its_group(fake_machine: FakeMachine) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(fake_machine.home / "engine.sock"))
        (fake_machine.home / "engine.sock").chmod(0o660)
        no_engine(fake_machine)
        fake_machine.docker(
            {'"version"*': "exit 1", '"context inspect"*': f"echo unix://{fake_machine.home}/engine.sock"}
        )
        subprocess.run(["chown", "-R", str(NOBODY), fake_machine.clone], check=True)

        result = fake_machine.run("setup/engine.sh", user=NOBODY)

    assert result.code == 1
    assert (
        "engine.sock is not open to nobody. Run sudo make up, or join its group (sudo usermod -aG root" in result.said
    )


# ── no engine ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.engine
def test_no_engine_and_no_root(fake_machine: FakeMachine) -> None:
    no_engine(fake_machine)
    subprocess.run(["chown", "-R", str(NOBODY), fake_machine.clone], check=True)

    result = fake_machine.run("setup/engine.sh", user=NOBODY, before=ALONE)

    assert result.code == 1
    assert "Starting an engine needs root. Run it as root: sudo make up" in result.said


@pytest.mark.engine
def test_no_engine_and_no_apt(fake_machine: FakeMachine) -> None:
    no_engine(fake_machine)

    result = fake_machine.run("setup/engine.sh", before=ALONE)

    assert result.code == 1
    assert "A container engine is missing, and it can be installed only where apt-get is (Debian, Ubuntu" in result.said


@pytest.mark.engine
def test_no_room_for_an_engine(fake_machine: FakeMachine) -> None:
    no_engine(fake_machine)
    fake_machine.fake("df", "echo header; echo / 0 0 1048576 0 /")

    result = fake_machine.run("setup/engine.sh", before=ALONE)

    assert result.code == 1
    assert "The engine needs 3 GB in /var/lib/docker, and 1 GB are free. Make room there" in result.said


@pytest.mark.engine
def test_the_installation_starts_no_engine_behind_our_back(fake_machine: FakeMachine) -> None:
    no_engine(fake_machine)
    fake_machine.fake("dpkg-query", "exit 1")
    fake_machine.fake("apt-cache", "exit 0")
    fake_machine.fake(
        "apt-get", f"[[ $1 != install ]] || {{ cat /usr/sbin/policy-rc.d >{fake_machine.home}/policy; exit 100; }}"
    )

    result = fake_machine.run("setup/engine.sh", before=f"{ALONE}\n{scratch('/usr/sbin')}")

    assert result.code == 1
    assert "apt-get could not install docker.io iptables iproute2 ca-certificates. See the lines above" in result.said
    assert "exit 101" in (fake_machine.home / "policy").read_text()


def scratch(directory: str) -> str:
    """A line of bash: writes to a directory of the machine are kept from it."""
    layers = f"lowerdir={directory},upperdir=/run/up,workdir=/run/work"
    return f"mkdir /run/up /run/work; mount -t overlay overlay -o {layers} {directory}"


@pytest.mark.engine
def test_systemd_starts_it_where_systemd_runs(fake_machine: FakeMachine) -> None:
    fake_machine.docker({'"version"*': "[[ -e /run/started ]] && echo 1.51 28.5.2"})
    fake_machine.fake("dockerd", "exit 1")
    fake_machine.fake("systemctl", "touch /run/started")

    result = fake_machine.run("setup/engine.sh", before=f"{ALONE}\nmkdir -p /run/systemd/system")

    assert result.code == 0
    assert "systemctl start docker" in fake_machine.calls()
    assert "Engine 28.5.2 at unix:///var/run/docker.sock, started now" in result.said


@pytest.mark.engine
def test_systemd_that_fails_is_named(fake_machine: FakeMachine) -> None:
    no_engine(fake_machine)
    fake_machine.fake("dockerd", "exit 1")
    fake_machine.fake("systemctl", "echo Job for docker.service failed >&2; exit 1")

    result = fake_machine.run("setup/engine.sh", before=f"{ALONE}\nmkdir -p /run/systemd/system")

    assert result.code == 1
    assert "    | Job for docker.service failed" in result.said
    assert "systemd could not start docker. journalctl -u docker tells why" in result.said


@pytest.mark.engine
def test_an_engine_that_dies_leaves_nothing_behind(fake_machine: FakeMachine) -> None:
    no_engine(fake_machine)
    fake_machine.fake("dockerd", "echo failed to start daemon: no such device >&2; exit 1")

    result = fake_machine.run(
        "bash", "-c", "setup/engine.sh; echo code=$?; ls /run/cloison; ip route", before=in_alone(fake_machine)
    )

    assert "    | failed to start daemon: no such device" in result.said
    assert "dockerd does not start on this machine. Its last lines are above" in result.said
    assert result.said.endswith("code=1\n")


def in_alone(fake_machine: FakeMachine) -> str:
    """A machine of its own whose engine's log and data go nowhere else."""
    (fake_machine.home / "data").mkdir(exist_ok=True)
    return f"""{ALONE}
        mount -t tmpfs tmpfs /var/log
        mkdir -p /var/lib/docker && mount --bind {fake_machine.home}/data /var/lib/docker"""


# ── a real one, in namespaces of its own ────────────────────────────────────────────────────────────────────


@pytest.fixture
def ready(minimal_machine: FakeMachine) -> Iterator[FakeMachine]:
    """A machine where the real engine is installed and does not run; its data is removed afterwards."""
    minimal_machine.have(
        "docker", "dockerd", "docker-proxy", "docker-init", "containerd", "containerd-shim-runc-v2", "runc"
    )
    minimal_machine.have("diff", "pgrep", "ps")
    minimal_machine.fake("df", "echo header; echo / 0 0 999999999 0 /")
    yield minimal_machine
    shutil.rmtree(minimal_machine.home / "data", ignore_errors=True)


def life_of(fake_machine: FakeMachine, script: str) -> Result:
    """Run a script on a machine without an engine; whatever engine is left at its end is ended."""
    ending = "trap 'kill $(cat /run/docker.pid 2>/dev/null) 2>/dev/null; sleep 1' EXIT"
    return fake_machine.run("bash", "-c", f"{ending}\n{script}", before=in_alone(fake_machine))


@pytest.mark.engine
def test_a_started_engine_is_fenced_in_and_taken_back_whole(ready: FakeMachine) -> None:
    result = life_of(
        ready,
        """
        iptables -A INPUT -s 203.0.113.7 -j DROP
        rules() { iptables-save -t filter | grep -E '^-|:(INPUT|FORWARD|OUTPUT)'; }
        machine() { rules; ip route; ip -o link | cut -d: -f2; }
        before=$(machine)
        setup/engine.sh
        docker info --format 'pool={{json .DefaultAddressPools}}'
        iptables -S FORWARD | head -n 1
        docker network create walled >/dev/null && ip route
        setup/engine.sh
        setup/engine.sh stop
        after=$(machine)
        [[ $after == "$before" ]] && echo as before || diff <(echo "$before") <(echo "$after")
        docker version >/dev/null 2>&1 || echo gone
        """,
    )

    assert ", started now\n" in result.said
    assert 'pool=[{"Base":"198.18.0.0/15","Size":24}]' in result.said
    assert "\n-P FORWARD DROP\n" in result.said
    assert "\nblackhole 198.18.0.0/15" in result.said
    assert "198.18.0.0/24 dev br-" in result.said
    assert ", already there and used as it is\n" in result.said
    assert result.said.endswith("as before\ngone\n"), result.said


@pytest.mark.engine
@pytest.mark.parametrize(
    ("machine", "policy"),
    [
        ("echo 0 >/proc/sys/net/ipv4/ip_forward", "DROP"),  # dockerd's own doing
        ("echo 1 >/proc/sys/net/ipv4/ip_forward", "DROP"),  # ours
        ("iptables -A FORWARD -d 203.0.113.0/24 -j ACCEPT", "ACCEPT"),  # somebody forwards; not ours to judge
    ],
)
def test_neighbours_are_kept_from_the_containers(ready: FakeMachine, machine: str, policy: str) -> None:
    shown = "iptables -S FORWARD | head -n 1"
    script = f"{machine}\nsetup/engine.sh\n{shown}\nsetup/engine.sh stop\n{shown}"

    result = life_of(ready, script)

    assert re.findall("-P FORWARD ([A-Z]+)$", result.said, re.MULTILINE) == [policy, "ACCEPT"]


@pytest.mark.engine
def test_a_policy_is_put_back_where_the_engine_sets_one_and_nowhere_else(ready: FakeMachine) -> None:
    result = life_of(
        ready,
        """
        iptables -P FORWARD DROP
        iptables -t mangle -A PREROUTING -s 203.0.113.7 -j ACCEPT
        ip6tables -A INPUT -s 2001:db8::7 -j DROP
        setup/engine.sh
        setup/engine.sh stop
        for table in "iptables -t filter" "iptables -t mangle" "ip6tables -t filter"; do
          $table -S FORWARD | head -n 1
        done
        """,
    )

    assert ["DROP", "ACCEPT", "ACCEPT"] == re.findall("-P FORWARD ([A-Z]+)$", result.said, re.MULTILINE)


@pytest.mark.engine
def test_the_rule_of_a_published_port_goes_and_a_like_one_stays(ready: FakeMachine) -> None:
    result = life_of(
        ready,
        """
        setup/engine.sh
        for two in "198.18.0.2 198.18.0.2" "203.0.113.7 203.0.113.8"; do
          iptables -t nat -A POSTROUTING -s "${two% *}" -d "${two#* }" -p tcp --dport 80 -j MASQUERADE
        done
        setup/engine.sh stop
        iptables -t nat -S POSTROUTING
        """,
    )

    assert ["203.0.113.7/32"] == re.findall("^-A POSTROUTING -s ([^ ]+)", result.said, re.MULTILINE)


@pytest.mark.engine
def test_two_at_once_start_one_engine(ready: FakeMachine) -> None:
    result = life_of(
        ready,
        "setup/engine.sh & CLOISON_HELD=1 setup/engine.sh & wait; pgrep -c -x dockerd || true; setup/engine.sh stop",
    )

    assert result.said.count(", started now") == 1
    assert result.said.count(", already there and used as it is") == 1


@pytest.mark.engine
def test_an_engine_that_was_not_started_here_is_not_stopped(fake_machine: FakeMachine) -> None:
    result = fake_machine.run("bash", "-c", "setup/engine.sh; setup/engine.sh stop; ls /run/cloison", before=ALONE)

    assert "already there and used as it is" in result.said
    assert not any("systemctl" in call or "stop" in call for call in fake_machine.calls())


@pytest.mark.engine
def test_the_owner_s_daemon_json_is_obeyed(fake_machine: FakeMachine) -> None:
    no_engine(fake_machine)
    fake_machine.fake("dockerd", "exit 1")
    daemon_json = "mkdir -p /etc/docker && mount -t tmpfs tmpfs /etc/docker && echo '{}' >/etc/docker/daemon.json"

    fake_machine.run("setup/engine.sh", before=f"{in_alone(fake_machine)}\n{daemon_json}")

    assert "dockerd " in fake_machine.calls()


@pytest.mark.engine
def test_a_pool_that_the_machine_uses_itself_is_not_taken(fake_machine: FakeMachine) -> None:
    no_engine(fake_machine)
    fake_machine.fake("dockerd", "exit 1")
    lan = "ip link add lan type veth peer name far && ip link set lan up && ip route add 198.18.4.0/24 dev lan"

    result = fake_machine.run("setup/engine.sh", before=f"{in_alone(fake_machine)}\n{lan}")

    assert result.code == 1
    assert "would be taken from 198.18.0.0/15, and this machine already uses it: 198.18.4.0/24 dev lan" in result.said
    assert not any(call.startswith("dockerd") for call in fake_machine.calls())
