"""The stage of a rehearsal: made on the engine, and taken away however the rehearsal ends.

Rule: everything that is made carries the rehearsal's label, and the rehearsal's lock is held, by us
and by the Compose that works for us, for as long as something may still be made. A label whose
lock is free is what a killed rehearsal left, and the next one removes it.
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
"""What Compose accepts as a project's name: https://docs.docker.com/compose/how-tos/project-name/"""
SETTLE_SECONDS: Final = 0.5
"""Seconds for the engine to end what an interrupted Compose has asked for."""
RTN_UNICAST: Final = 1
"""A route that leads somewhere, in netlink's words."""
RT_TABLE_MAIN: Final = 254
ComposeStarter = Callable[[str, Mapping[str, Any], int], CommandResult]
"""Has Compose start a document as a project, and the lock held for as long as it works."""


def compose(name: str, document: Mapping[str, Any], lock: int) -> CommandResult:
    """Have the Compose of this machine start a document."""
    return compose_cli.start(name, document, inherit_fd=lock)


@contextmanager
def rehearsal_environment(
    document: Mapping[str, Any], progress: Callable[[str], None], start: ComposeStarter = compose, *, resolver: str = ""
) -> Iterator[Rehearsal]:
    """Have the rehearsal of a resolved document running; `resolver` is the name server of its containers.

    Raises NotProven when the engine does not answer or cannot run it.
    """
    name = f"{document['name']}-rehearsal-{secrets.token_hex(SUFFIX_LENGTH // 2)}"
    lock = file_lock.acquire(LOCK + name)
    if lock is None:
        raise NotProven(f"somebody holds the lock of {name}; try again")
    try:
        with closing(local_client()) as api:
            resources = RehearsalResources(api)
            _remove_leftovers(resources)
            progress("setting the stage")
            with _removed_at_end(resources, name):
                rehearsed = compose_file.rehearsal(
                    document, name, resources.build_image(name), _host_environment(resources, resolver)
                )
                _start(rehearsed, lock, start)
                yield rehearsed
                progress("clearing the stage")
    finally:
        file_lock.release(LOCK + name, lock)


@contextmanager
def _removed_at_end(resources: RehearsalResources, name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with SIGNALS.deferred():  # a removal takes a second, and half of it would stay for ever
            time.sleep(SETTLE_SECONDS)
            resources.remove(name)
        raise
    with SIGNALS.deferred():
        resources.remove(name)


def _start(rehearsed: Rehearsal, lock: int, start: ComposeStarter) -> None:
    document = {key: value for key, value in rehearsed.document.items() if not key.startswith("x-")}
    result = start(rehearsed.name, document, lock)
    if result.code != 0:
        raise NotProven(f"the rehearsal could not be set up: {result.last_line}")


def _remove_leftovers(resources: RehearsalResources) -> None:
    """Remove what killed rehearsals left behind; what cannot be removed is the next one's."""
    with suppress(NotProven, *FAILURES):
        for name in sorted(resources.rehearsals() | file_lock.lock_names(LOCK)):
            lock = file_lock.acquire(LOCK + name) if NAME.fullmatch(name) else None
            if lock is None:
                continue
            try:
                resources.remove(name)
            finally:
                file_lock.release(LOCK + name, lock)


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
