r"""Counts what comes through while containers and the engine restart, and how long the allowed connection waits.

    setup/second-engine.sh enter forky .venv/bin/python -m tests.integration.enforce.probed_changes \
        --restarts 200 --recreates 50 --connects 50 --engine-restarts 20

Output: one JSON object: the attempts of the service that may not, what it reached, and for each kind of change the
milliseconds from the moment at which the target listens, or has its interface, to the first allowed connection.
Rules:
  - The service that may not, and the one that may, try all the time, from their first instruction on, at every
    address that the network gives. The target writes down whom it accepts: a packet that came through is seen twice.
  - All times are CLOCK_MONOTONIC, which is one clock for all containers of a machine.
  - Those who try ask every 10 ms who has an address (ARP): the kernel's own second would be measured.
  - The engine is restarted, so this runs in namespaces of its own, never beside other projects.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.integration.compose_project import Lab, docker
from tests.integration.enforce.link_image import IMAGE, import_image

from cloison.compose import project as compose_project
from cloison.engine import compose_cli
from cloison.engine.connection import local_client
from cloison.errors import NotProven
from cloison.linux import netns
from cloison.workflow import enforcement
from cloison.workflow.keep_enforced import Change, kept_enforced

PORT: Final = 3306
TIMEOUT: Final = 0.3
"""Seconds that an attempt may take; the kernel sends a SYN again after one second."""
RESTART: Final = Path("/run/restart-engine")
"""setup/second-engine.sh starts dockerd again if this exists when it ends."""
PID_FILE: Final = Path("/run/docker.pid")
LONGEST_WAIT: Final = 15.0
"""Seconds after which a connection that is allowed counts as broken."""
SERVER: Final = f"""
import fcntl, os, socket, threading, time
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def said(*words): print(*words, time.monotonic_ns(), flush=True)
def addresses():
    found = set()
    for name in os.listdir("/sys/class/net"):
        try: found.add((name, fcntl.ioctl(asking, 0x8915, name.encode().ljust(40, bytes(1)))[20:24]))
        except OSError: pass  # it has none yet
    return found
def interfaces():
    before = addresses()
    while True:
        time.sleep(0.001)
        if (now := addresses()) != before:
            if now - before: heard.clear(); said("ready", "interface")
            before = now
heard = set()
listener = socket.create_server(("", {PORT}), backlog=1024)
said("ready", "listening")
threading.Thread(target=interfaces, daemon=True).start()
while True:
    connection, (peer, _) = listener.accept()
    connection.close()
    if peer not in heard: heard.add(peer); said("heard", peer)
"""
PROBER: Final = f"""
import collections, selectors, socket, time
own = [i for i in socket.gethostbyname_ex(socket.gethostname())[2] if not i.startswith("127.")][0]
near = own.rpartition(".")[0]
others = [address for last in range(2, 10) if (address := f"{{near}}.{{last}}") != own]
print("own", own, flush=True)
tried, told = 0, 0.0
pool, waiting = selectors.DefaultSelector(), collections.deque()
def ended(probe): pool.unregister(probe); probe.close()
while True:
    began = time.monotonic()
    for address in others:
        probe = socket.socket(); probe.setblocking(False)
        tried += 1
        if probe.connect_ex((address, {PORT})) in (0, 115):
            pool.register(probe, selectors.EVENT_WRITE, address); waiting.append((began + {TIMEOUT}, probe))
        else: probe.close()
    while (left := began + PACE - time.monotonic()) > 0:
        for key, _ in pool.select(left):
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, 111) and TELLS:
                print("reached", key.data, flush=True)
            ended(key.fileobj)
    while waiting and waiting[0][0] < began:
        _, probe = waiting.popleft()
        if probe.fileno() >= 0: ended(probe)
    if began - told > 1: told = began; print("tried", tried, flush=True)
"""


def service(code: str, network: str = "back") -> dict[str, Any]:
    """Return a service that runs a program, and comes back with the engine."""
    return {
        "image": IMAGE,
        "entrypoint": ["python3", "-c", code],
        "volumes": ["/usr:/usr:ro"],
        "init": True,
        "restart": "always",
        "networks": [network],
        "expose": [str(PORT)],
        "stop_grace_period": "0s",
    }


FILE: Final[dict[str, Any]] = {
    "services": {
        "db": service(SERVER),
        "spare": service(SERVER, "other"),
        "app": service(PROBER.replace("PACE", "0.004").replace("TELLS", "False")),
        "hostile": service(PROBER.replace("PACE", "0.02").replace("TELLS", "True")),
    },
    "networks": {"back": {"internal": True}, "other": {}},
    "x-cloison": {"allow": [f"app -> db:{PORT}", f"app -> spare:{PORT}"]},
}


class ProbedProject:
    """The project while it is enforced; `waits` are the milliseconds of each change, `senders` who came through."""

    def __init__(self, lab: Lab, changes: list[Change]) -> None:
        self.lab, self.changes = lab, changes
        self.senders: set[str] = set()

    def wait(self, name: str, change: Callable[[], int | None]) -> float:
        """Make a change, and return how many milliseconds after readiness the first allowed connection came.

        `change` returns the moment before which nobody can know the container: the engine has not told of it.
        """
        since = time.monotonic_ns()
        told = change() or 0
        ends = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < ends:
            ready = heard = 0
            try:
                allowed, log = self._address("app"), docker("logs", self.lab.container(name))
            except AssertionError:  # the engine is away
                time.sleep(0.1)
                continue
            for line in log.splitlines():
                kind, what, at = line.split()
                if int(at) < since:
                    continue
                if kind == "ready":
                    ready, heard = int(at), 0
                elif what != allowed:
                    self.senders.add(what)
                elif not heard:
                    heard = int(at)
            if ready and heard:
                return max(heard - max(ready, told), 0) / 1e6
            time.sleep(0.05)
        raise AssertionError(f"{name} was not reached within {LONGEST_WAIT} s: {self._state()}")

    def _state(self) -> str:
        """Return what a person needs to find out why a connection did not come about."""
        faulthandler.dump_traceback()
        logs = {name: docker("logs", "--tail", "3", self.lab.container(name)) for name in FILE["services"]}
        argv = ["nft", "list", "ruleset"]
        rules = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
        counted = [line.strip() for line in rules if re.search("packets [1-9]", line)]
        return "\n".join([*(change.sentence for change in self.changes), str(logs), *counted])

    def _address(self, name: str) -> str:
        found = json.loads(docker("inspect", self.lab.container(name)))[0]["NetworkSettings"]["Networks"]
        return str(found[f"{self.lab.name}_back"]["IPAddress"])

    def tried(self) -> int:
        """Return how often the service that may not has tried; it begins at 0 when it restarts."""
        counts = [int(line.split()[1]) for line in self._said() if line.startswith("tried")]
        return sum(count for count, following in zip(counts, [*counts[1:], 0], strict=True) if following <= count)

    def reached(self) -> list[str]:
        """Return the addresses that it reached."""
        return [line.split()[1] for line in self._said() if line.startswith("reached")]

    def _said(self) -> list[str]:
        return docker("logs", self.lab.container("hostile")).splitlines()

    def ask_often(self) -> None:
        """Let those who try ask every 10 ms for an address that does not answer, and forget those that did not."""
        for name in ("app", "hostile"):
            pid = json.loads(docker("inspect", self.lab.container(name)))[0]["State"]["Pid"]
            opened = netns.of_process(pid)
            try:
                with netns.inside(opened):
                    Path("/proc/sys/net/ipv4/neigh/eth0/retrans_time_ms").write_text("10")
                    subprocess.run(["ip", "neighbor", "flush", "all"], check=True)
            finally:
                os.close(opened)

    def restart_engine(self) -> int:
        """Restart the engine; its containers end with it, and come back. Return when it answered."""
        answers = restart_engine()
        self.ask_often()
        return answers

    def start(self) -> None:
        """Start the containers, which exist."""
        self.lab.compose("up", "--detach")

    def restart(self) -> None:
        """Restart the database."""
        docker("restart", "--time", "0", self.lab.container("db"))

    def recreate(self) -> None:
        """Have a new container for the database."""
        self.lab.compose("up", "--detach", "--force-recreate", "--no-deps", "--timeout", "0", "db")

    def connect(self) -> int:
        """Connect the spare container to the network, anew, and return when the engine told of it."""
        name, network = self.lab.container("spare"), f"{self.lab.name}_back"
        if network in docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", name):
            docker("network", "disconnect", network, name)
        since, offset = time.time(), time.time_ns() - time.monotonic_ns()
        docker("network", "connect", network, name)
        window = ("--since", f"{since:.9f}", "--until", f"{time.time():.9f}")
        told = docker("events", *window, "--filter", "event=connect", "--format", "{{.TimeNano}}")
        return int(told.split()[-1]) - offset


def restart_engine() -> int:
    """Restart dockerd, wait until it answers, and return when that was."""
    before = PID_FILE.read_text()
    RESTART.touch()
    os.kill(int(before), signal.SIGTERM)
    ends = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < ends:
        try:
            if PID_FILE.read_text() != before:
                local_client().close()
                return time.monotonic_ns()
        except (OSError, NotProven):
            pass
        time.sleep(0.01)
    raise AssertionError("the engine did not come back")


@contextmanager
def enforced(lab: Lab, changes: list[Change]) -> Iterator[None]:
    """Close the networks of a project before its containers start, and keep its policy enforced."""
    lab.compose("up", "--no-start")
    project = compose_project.project(compose_cli.resolved(lab.selection))
    with enforcement.enforcer(project) as enforcer:
        enforcer.apply()
        with kept_enforced(enforcer, changes.append):
            yield
    enforcement.off(lab.name)


def distribution(waits: Iterable[float]) -> dict[str, float]:
    """Return the count, the median, and what 90 and 99 of a hundred did not exceed, in milliseconds."""
    ordered = sorted(waits)
    if not ordered:
        return {}
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))] for part in (90, 99)]
    names = ("count", "median", "p90", "p99", "most")
    return dict(zip(names, (len(ordered), statistics.median(ordered), *at, ordered[-1]), strict=True))


def measured(lab: Lab, counts: dict[str, int]) -> dict[str, Any]:
    """Make the changes, and return what came through and how long the allowed connections waited."""
    changes: list[Change] = []
    lab.write(FILE)
    try:
        with enforced(lab, changes):
            probed = ProbedProject(lab, changes)
            first = probed.wait("db", probed.start)
            probed.ask_often()
            kinds: dict[str, tuple[str, Callable[[], int | None]]] = {
                "restarts": ("db", probed.restart),
                "recreates": ("db", probed.recreate),
                "connects": ("spare", probed.connect),
                "engine_restarts": ("db", probed.restart_engine),
            }
            waits = {
                kind: [probed.wait(name, change) for _ in range(counts[kind])] for kind, (name, change) in kinds.items()
            }
            return {
                "tried": probed.tried(),
                "reached": probed.reached(),
                "senders": sorted(probed.senders),
                "first": first,
                "waits": {kind: distribution(found) for kind, found in waits.items()},
                "each": waits,
                "gaps": [change.sentence for change in changes if change.gap],
            }
    finally:
        lab.compose("down", "--timeout", "0")


def main() -> int:
    """Run the measurement of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in ("restarts", "recreates", "connects", "engine-restarts"):
        parser.add_argument(f"--{kind}", type=int, default=0)
    counts = vars(parser.parse_args())
    import_image()
    with tempfile.TemporaryDirectory(prefix="probed") as folder:
        sys.stdout.write(json.dumps(measured(Lab(Path(folder)), counts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
