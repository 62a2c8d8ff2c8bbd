"""Does an errand here, where namespaces can be entered, or has a scout do it on the engine's machine.

Rule: both run `proving.here`, so the document is the same; what the scout sends back is read like a stranger's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from cloison import compose, composer, errand, netns, policy, proof
from cloison.commands import proving
from cloison.engines import connection, scouts
from cloison.engines.scouts import Scout
from cloison.errand import Answer, Errand, Failed, Proven, Staged, Staging
from cloison.errors import NotProven
from cloison.proof import Proof

GARBLED: Final = "the scout on the engine's machine sent what is no answer"


def answer(wish: Errand, talk: Callable[[str], None]) -> Proof:
    """Do an errand, wherever it can be done.

    Raises a CloisonError when there is nothing to judge: see `errors`.
    """
    policy.policy(compose.project(wish.document))  # a wrong policy is told before anything is made
    with connection.reached() as engine:
        if not (netns.may_enter() and engine.is_here()):
            with scouts.sent(engine, talk) as (scout, lock):
                return _by_scout(scout, lock, wish, talk)
    return proving.here(wish, talk)


def _by_scout(scout: Scout, lock: int, wish: Errand, talk: Callable[[str], None]) -> Proof:
    scout.send(errand.written(msgspec.structs.replace(wish, document=errand.discreet(wish.document))))
    for line in scout.lines():
        said = _read(line)
        if isinstance(said, Proven):
            return _checked(bytes(said.proof))
        if isinstance(said, Failed):
            raise errand.raised(said)
        if isinstance(said, Staging):
            scout.send(errand.written(_staged(said, lock)))
        elif said.sentence:
            talk(said.sentence)
    raise NotProven(GARBLED)


def _read(line: bytes) -> Answer:
    try:
        return errand.answered(line)
    except msgspec.DecodeError as error:
        raise NotProven(f"{GARBLED}: {error}") from error


def _checked(document: bytes) -> Proof:
    try:
        return proof.parse(document)
    except msgspec.DecodeError as error:
        raise NotProven(f"{GARBLED}: {error}") from error


def _staged(said: Staging, lock: int) -> Staged:
    result = composer.start(said.name, said.document, keep=lock)
    return Staged(result.code, result.out, result.err)
