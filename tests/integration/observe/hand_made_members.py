"""Makes members of a project's network by hand, without the engine, and removes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.integration.compose_project import Lab, docker
from tests.integration.observe.host_changes import named_namespace, run

NETNS = "cloisontest"
"""The name of the network namespace that these tests make by hand."""
DEVICE = "cloisonhand"
"""The name of the device of the host that these tests make by hand."""


def network(lab: Lab) -> tuple[str, str]:
    """Return the bridge of the network `back`, and a free address of it with its prefix."""
    document: list[dict[str, Any]] = json.loads(docker("network", "inspect", f"{lab.name}_back"))
    subnet = str(document[0]["IPAM"]["Config"][0]["Subnet"])
    return f"br-{document[0]['Id'][:12]}", f"{subnet.rpartition('.')[0]}.200/{subnet.rpartition('/')[2]}"


@contextmanager
def namespace(*commands: str, is_up: bool = True) -> Iterator[None]:
    """Have a named network namespace and run commands of ip(8) in it."""
    with named_namespace(NETNS):
        for command in [*([f"-n {NETNS} link set lo up"] if is_up else []), *commands]:
            run("ip", *command.split())
        yield


def veth(bridge: str, address: str) -> list[str]:
    """Return the commands that connect the namespace to a bridge by a veth pair."""
    return [
        f"link add {DEVICE} type veth peer name eth0 netns {NETNS}",
        f"link set {DEVICE} master {bridge} up",
        f"-n {NETNS} link set eth0 up",
        *([f"-n {NETNS} addr add {address} dev eth0"] if address else []),
    ]
