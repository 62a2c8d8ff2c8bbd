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
from cloison.engine.connection import FAILURES, connected
from cloison.errors import NotProven
from cloison.linux import file_lock, pyroute
from cloison.linux.signals import INTERRUPTS
from cloison.linux.subprocesses import Result
from cloison.rehearse import compose_file
from cloison.rehearse.compose_file import Rehearsal, Surroundings
from cloison.rehearse.resources import TAG, Stagehand

LOCK: Final = "rehearsal-"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""What Compose accepts as a project's name: https://docs.docker.com/compose/how-tos/project-name/"""
SETTLING: Final = 0.5
"""Seconds for the engine to end what an interrupted Compose has asked for."""
UNICAST: Final = 1
"""A route that leads somewhere, in netlink's words."""
MAIN_TABLE: Final = 254
Start = Callable[[str, Mapping[str, Any], int], Result]
"""Has Compose start a document as a project, and the lock held for as long as it works."""


def compose(name: str, document: Mapping[str, Any], lock: int) -> Result:
    """Have the Compose of this machine start a document."""
    return compose_cli.start(name, document, keep=lock)


@contextmanager
def staged(
    document: Mapping[str, Any], talk: Callable[[str], None], start: Start = compose, *, resolver: str = ""
) -> Iterator[Rehearsal]:
    """Have the rehearsal of a resolved document running; `resolver` is the name server of its containers.

    Raises NotProven when the engine does not answer or cannot run it.
    """
    name = f"{document['name']}-rehearsal-{secrets.token_hex(TAG // 2)}"
    lock = file_lock.take(LOCK + name)
    if lock is None:
        raise NotProven(f"somebody holds the lock of {name}; try again")
    try:
        with closing(connected()) as api:
            hand = Stagehand(api)
            _sweep(hand)
            talk("setting the stage")
            with _cleared(hand, name):
                played = compose_file.rehearsal(document, name, hand.build(name), _surroundings(hand, resolver))
                _start(played, lock, start)
                yield played
                talk("clearing the stage")
    finally:
        file_lock.forget(LOCK + name, lock)


@contextmanager
def _cleared(hand: Stagehand, name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with INTERRUPTS.held():  # a removal takes a second, and half of it would stay for ever
            time.sleep(SETTLING)
            hand.clear(name)
        raise
    with INTERRUPTS.held():
        hand.clear(name)


def _start(played: Rehearsal, lock: int, start: Start) -> None:
    drawn = {key: value for key, value in played.document.items() if not key.startswith("x-")}
    result = start(played.name, drawn, lock)
    if result.code != 0:
        raise NotProven(f"the rehearsal could not be set up: {result.last_line}")


def _sweep(hand: Stagehand) -> None:
    """Remove what killed rehearsals left behind; what cannot be removed is the next one's."""
    with suppress(NotProven, *FAILURES):
        for name in sorted(hand.rehearsals() | file_lock.known(LOCK)):
            lock = file_lock.take(LOCK + name) if NAME.fullmatch(name) else None
            if lock is None:
                continue
            try:
                hand.clear(name)
            finally:
                file_lock.forget(LOCK + name, lock)


def _surroundings(hand: Stagehand, resolver: str) -> Surroundings:
    networks, subnets = hand.networks()
    with pyroute.routes() as route:
        addresses = [message.get("address") for message in route.get_addr()]
        routes = [message for message in route.get_routes(table=MAIN_TABLE) if message["type"] == UNICAST]
    ways = [f"{message.get('dst')}/{message['dst_len']}" for message in routes if message["dst_len"]]
    return Surroundings(
        subnets=tuple(sorted({*subnets, *ways})),
        addresses=tuple(sorted(addresses)),
        resolver=resolver,
        networks={network.name: network for network in networks},
    )
