"""Changes that root makes on the host of a running project, each undone at the end of its context."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.integration.compose_project import DEFAULT_TIMEOUT, Lab, docker

from cloison.compose.project import Project
from cloison.linux import netns
from cloison.proof.schema import Proof
from cloison.workflow.local_proof import prove_project

NETWORKS = ("front", "back")
ENDING = 10
"""Seconds for a child process to end."""


def run(*words: str, given: str = "") -> str:
    """Run a program of the machine and return what it printed."""
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60, input=given or None)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


@dataclass(slots=True)
class RunningProject:
    """A running project as those who meddle with it see it; `project` is what its file says."""

    lab: Lab
    project: Project

    def prove(self) -> Proof:
        """Prove the project without reading its file anew."""
        return prove_project(self.project, DEFAULT_TIMEOUT)

    def prove_by_agent(self) -> Proof:
        """Prove the project as a user does who may not enter its namespaces, in a container of the engine."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(netns, "can_enter", lambda: False)
            return self.lab.prove()

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return self.lab.container(service)

    def network(self, key: str) -> str:
        """Return the engine's name of a network."""
        return f"{self.lab.name}_{key}"

    def address(self, service: str, network: str = "back") -> str:
        """Return the IPv4 address of a service on a network."""
        return str(self._inspected(service)["NetworkSettings"]["Networks"][self.network(network)]["IPAddress"])

    def published(self, service: str) -> list[tuple[str, str]]:
        """Return the addresses and ports of the host at which a service is published."""
        ports = self._inspected(service)["NetworkSettings"]["Ports"]
        return [(binding["HostIp"], binding["HostPort"]) for bindings in ports.values() for binding in bindings or ()]

    def subnet(self, network: str) -> str:
        """Return the IPv4 subnet of a network."""
        return str(self._network(network)["IPAM"]["Config"][0]["Subnet"])

    def spare(self, network: str, number: int) -> str:
        """Return an address of a network, with its prefix, that the engine has not assigned."""
        return f"{self.subnet(network).rpartition('.')[0]}.{number}/24"

    def bridge(self, network: str) -> str:
        """Return the host's link that carries a network."""
        return f"br-{self._network(network)['Id'][:12]}"

    def in_namespace(self, service: str, *words: str, given: str = "") -> str:
        """Run a program of the machine in the network namespace of a service."""
        return run("nsenter", "--target", self.process(service), "--net", *words, given=given)

    def link(self, service: str) -> str:
        """Return the link of a service; the engine gives it another name when it is taken away and given back."""
        found = json.loads(
            self.in_namespace(service, "ip", "-json", "-4", "address", "show", "up", "to", self[service])
        )
        return next(str(link["ifname"]) for link in found if link)

    def host_interface(self, service: str) -> str:
        """Return the host's link in which the link of a service ends."""
        number = json.loads(self.in_namespace(service, "ip", "-json", "link", "show", self.link(service)))[0][
            "link_index"
        ]
        return next(
            str(found["ifname"]) for found in json.loads(run("ip", "-json", "link")) if found["ifindex"] == number
        )

    def process(self, service: str) -> str:
        """Return the process of a service."""
        return str(self._inspected(service)["State"]["Pid"])

    def __getitem__(self, word: str) -> str:
        """Return a placeholder's value: `back` a subnet, `back_bridge` its link, `db` an address, `port`."""
        name, _, of = word.partition("_")
        if of == "link":
            return self.link(name)
        if word == "port":
            return self.published("proxy")[0][1]
        if name in NETWORKS:
            return self.bridge(name) if of else self.subnet(name)
        return self.address(name, of or ("front" if name == "guest" else "back"))

    def _inspected(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(docker("inspect", self.container(service)))[0]
        return found

    def _network(self, network: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(docker("network", "inspect", self.network(network)))[0]
        return found


@contextmanager
def restored_tables(*families: str) -> Iterator[None]:
    """Put the host's packet filter back, rule by rule, whatever becomes of it."""
    kept = {family: run(f"{family}-save") for family in families or ("iptables",)}
    try:
        yield
    finally:
        for family, rules in kept.items():
            run(f"{family}-restore", given=f"{rules}\n")


@contextmanager
def done(words: tuple[str, ...], undone: tuple[str, ...]) -> Iterator[None]:
    """Have run one command, and run the other afterwards."""
    run(*words)
    try:
        yield
    finally:
        run(*undone)


@contextmanager
def named_namespace(name: str) -> Iterator[None]:
    """Have a network namespace of ip-netns(8).

    The kernel removes a namespace, and the links in it, some time after its name is gone; a link that is removed before
    is gone at once, and the name of its peer is free.
    """
    run("ip", "netns", "add", name)
    try:
        yield
    finally:
        for link in json.loads(run("ip", "-n", name, "-json", "link")):
            if link["ifname"] != "lo":
                run("ip", "-n", name, "link", "del", link["ifname"])
        run("ip", "netns", "del", name)


@contextmanager
def setting(path: str, value: str, running_project: RunningProject | None = None, service: str = "") -> Iterator[None]:
    """Set a sysctl on the host or in a service's namespace, and restore it."""

    def ask(*words: str) -> str:
        return running_project.in_namespace(service, *words) if running_project else run(*words)

    before = ask("cat", f"/proc/sys/{path}")
    ask("sh", "-c", f"echo {value} > /proc/sys/{path}")
    try:
        yield
    finally:
        ask("sh", "-c", f"echo {before} > /proc/sys/{path}")


@contextmanager
def rules_in_namespace(running_project: RunningProject, service: str, *rules: str) -> Iterator[None]:
    """Have rules in the packet filter of a service's own namespace; they are written as iptables takes them."""
    for text in rules:
        running_project.in_namespace(service, "iptables", "--wait", *text.split())
    try:
        yield
    finally:
        for text in reversed(rules):
            running_project.in_namespace(service, "iptables", "--wait", *text.replace("-I ", "-D ").split())


@contextmanager
def veth_pair(running_project: RunningProject, *ends: tuple[str, str]) -> Iterator[None]:
    """Have a pair of links made by hand: each end is a service, empty for the host, and an address, empty for none.

    They are called `hand0` and `hand1`.
    """
    run("ip", "link", "add", "hand0", "type", "veth", "peer", "name", "hand1")
    try:
        for number, (service, address) in enumerate(ends):
            link = f"hand{number}"
            if service:
                run("ip", "link", "set", link, "netns", running_project.process(service))
            for words in ([("addr", "add", address, "dev", link)] if address else []) + [("link", "set", link, "up")]:
                _at(running_project, service, "ip", *words)
        for number, (service, _) in enumerate(ends):
            _await_carrier(running_project, service, f"hand{number}")
        yield
    finally:
        _at(running_project, ends[0][0], "ip", "link", "del", "hand0")


def _at(running_project: RunningProject, service: str, *words: str) -> str:
    return running_project.in_namespace(service, *words) if service else run(*words)


def _await_carrier(running_project: RunningProject, service: str, link: str) -> None:
    """Wait until the kernel has noticed that both ends are there: before that, IPv6 has no way over it."""
    for _ in range(100):
        if json.loads(_at(running_project, service, "ip", "-json", "link", "show", link))[0]["operstate"] == "UP":
            return
        time.sleep(0.05)
    raise AssertionError(f"{link} has no carrier")


@contextmanager
def process(*words: str, says: str = "ready") -> Iterator[None]:
    """Run a process, after it has printed that it is ready."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as made:
        try:
            assert made.stdout is not None
            assert made.stdout.readline().strip() == says, f"{' '.join(words)} did not start"
            yield
        finally:
            made.terminate()
            made.wait(ENDING)


LISTENING = """
import socket, time
made = socket.create_server(("0.0.0.0", {port}))
print("ready", flush=True)
time.sleep(300)
"""
RELAYING = """
import socket, threading
def carry(source, target):
    while data := source.recv(4096):
        target.sendall(data)
made = socket.create_server(("0.0.0.0", {port}))
print("ready", flush=True)
while True:
    near, _ = made.accept()
    far = socket.create_connection(({address!r}, {target}))
    for pair in ((near, far), (far, near)):
        threading.Thread(target=carry, args=pair, daemon=True).start()
"""


def python(code: str, running_project: RunningProject | None = None, service: str = "") -> tuple[str, ...]:
    """Return the command that runs a program in Python, on the host or in a service's namespace."""
    way = ("nsenter", "--target", running_project.process(service), "--net") if running_project else ()
    return (*way, sys.executable, "-c", code)
