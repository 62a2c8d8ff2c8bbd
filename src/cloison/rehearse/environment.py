"""Starts the environment of a rehearsal on the engine, and removes it however the rehearsal ends.

Input: a resolved Compose document. Output: the `Rehearsal`, whose containers run.
Rule: every container, network and image carries the rehearsal's label. This process and the Compose process that it
starts hold the rehearsal's lock for as long as one of them may still make something. A label whose lock is free is
a left-over of a killed rehearsal, and the next rehearsal removes it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any, Final

from cloison.engine import compose_cli
from cloison.engine.connection import FAILURES, local_client
from cloison.errors import NotProven
from cloison.linux import file_lock, pyroute
from cloison.linux.signals import SIGNALS
from cloison.linux.subprocesses import CommandResult
from cloison.rehearse import compose_file
from cloison.rehearse.compose_file import HostEnvironment, Rehearsal
from cloison.rehearse.resources import SUFFIX_LENGTH, RehearsalResources

LOCK: Final = "rehearsal-"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""The names that Compose accepts for a project: https://docs.docker.com/compose/how-tos/project-name/"""
SETTLE_SECONDS: Final = 0.5
"""Seconds for the engine to finish the requests of an interrupted Compose."""
RTN_UNICAST: Final = 1
"""RTN_UNICAST of linux/rtnetlink.h: a route to a gateway or an interface, not local, broadcast or blackhole."""
RT_TABLE_MAIN: Final = 254
ComposeStarter = Callable[[str, Mapping[str, Any], int], CommandResult]
"""Runs Compose to start a document as the project of that name; Compose inherits the lock's descriptor."""


def compose(name: str, document: Mapping[str, Any], lock: int) -> CommandResult:
    """Start a document with the Compose of this machine."""
    return compose_cli.start(name, document, inherit_fd=lock)


@contextmanager
def rehearsal_environment(
    document: Mapping[str, Any], progress: Callable[[str], None], start: ComposeStarter = compose, *, resolver: str = ""
) -> Iterator[Rehearsal]:
    """Run the rehearsal of a resolved document; `resolver` is the name server of its containers.

    Raises NotProven if the engine does not answer or cannot run it.
    """
    name = f"{document['name']}-rehearsal-{secrets.token_hex(SUFFIX_LENGTH // 2)}"
    lock = file_lock.acquire(LOCK + name)
    if lock is None:
        raise NotProven(f"another process holds the lock of {name}; try again")
    try:
        with closing(local_client()) as api:
            resources = RehearsalResources(api)
            _remove_leftovers(resources)
            progress("starting the rehearsal's containers")
            with _removed_at_end(resources, name):
                rehearsed = compose_file.rehearsal(
                    document, name, resources.build_image(name), _host_environment(resources, resolver)
                )
                _start(rehearsed, lock, start)
                yield rehearsed
                progress("removing the rehearsal's containers")
    finally:
        file_lock.release(LOCK + name, lock)


@contextmanager
def _removed_at_end(resources: RehearsalResources, name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with SIGNALS.deferred():  # a removal takes a second; an interrupted one would leave resources behind
            time.sleep(SETTLE_SECONDS)
            resources.remove(name)
        raise
    with SIGNALS.deferred():
        resources.remove(name)


def _start(rehearsed: Rehearsal, lock: int, start: ComposeStarter) -> None:
    document = {key: value for key, value in rehearsed.document.items() if not key.startswith("x-")}
    result = start(rehearsed.name, document, lock)
    if result.code != 0:
        raise NotProven(f"the rehearsal could not be started: {result.last_line}")


def _remove_leftovers(resources: RehearsalResources) -> None:
    """Remove the left-overs of killed rehearsals; the next rehearsal tries again where that fails."""
    with suppress(NotProven, *FAILURES):
        names = resources.rehearsals() | file_lock.lock_names(LOCK)
        file_lock.sweep(LOCK, filter(NAME.fullmatch, names), resources.remove_leftover)


def _host_environment(resources: RehearsalResources, resolver: str) -> HostEnvironment:
    networks, subnets = resources.networks()
    with pyroute.iproute() as route:
        addresses = [message.get("address") for message in route.get_addr()]
        routes = [message for message in route.get_routes(table=RT_TABLE_MAIN) if message["type"] == RTN_UNICAST]
    destinations = [f"{message.get('dst')}/{message['dst_len']}" for message in routes if message["dst_len"]]
    return HostEnvironment(
        subnets=tuple(sorted({*subnets, *destinations})),
        addresses=tuple(sorted(addresses)),
        resolver=resolver,
        networks={network.name: network for network in networks},
    )
