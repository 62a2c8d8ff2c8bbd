"""Does an errand here, where namespaces can be entered, or has a scout do it on the engine's machine.

Rule: both run `proving.here`, so the document is the same; what the scout sends back is read like a stranger's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.engine import compose_cli, connection
from cloison.errors import NotProven
from cloison.linux import netns
from cloison.proof import schema as proof_schema
from cloison.proof.schema import Proof
from cloison.remote import agent_container
from cloison.remote import protocol as remote_protocol
from cloison.remote.agent_container import Scout
from cloison.remote.protocol import Answer, Errand, Failed, Proven, Staged, Staging
from cloison.workflow import local_proof

GARBLED: Final = "the scout on the engine's machine sent what is no answer"


def answer(wish: Errand, talk: Callable[[str], None]) -> Proof:
    """Do an errand, wherever it can be done.

    Raises a CloisonError when there is nothing to judge: see `errors`.
    """
    policy.policy(compose_project.project(wish.document))  # a wrong policy is told before anything is made
    with connection.reached() as engine:
        if not (netns.may_enter() and engine.is_here()):
            with agent_container.sent(engine, talk) as (scout, lock):
                return _by_scout(scout, lock, wish, talk)
    return local_proof.here(wish, talk)


def _by_scout(scout: Scout, lock: int, wish: Errand, talk: Callable[[str], None]) -> Proof:
    scout.send(remote_protocol.written(msgspec.structs.replace(wish, document=remote_protocol.discreet(wish.document))))
    for line in scout.lines():
        said = _read(line)
        if isinstance(said, Proven):
            return _checked(bytes(said.proof))
        if isinstance(said, Failed):
            raise remote_protocol.raised(said)
        if isinstance(said, Staging):
            scout.send(remote_protocol.written(_staged(said, lock)))
        elif said.sentence:
            talk(said.sentence)
    raise NotProven(GARBLED)


def _read(line: bytes) -> Answer:
    try:
        return remote_protocol.answered(line)
    except msgspec.DecodeError as error:
        raise NotProven(f"{GARBLED}: {error}") from error


def _checked(document: bytes) -> Proof:
    try:
        return proof_schema.parse(document)
    except msgspec.DecodeError as error:
        raise NotProven(f"{GARBLED}: {error}") from error


def _staged(said: Staging, lock: int) -> Staged:
    result = compose_cli.start(said.name, said.document, keep=lock)
    return Staged(result.code, result.out, result.err)
