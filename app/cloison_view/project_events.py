"""Decides which event a proof is, from the state of the project before it and from what the proof says.

Input: what was recorded of the project, and the proof's verdict and connections. Output: the new state, and the event
with its text, if there is one. No input or output of its own.

Rules:
- A project has one state. An event is a change of the state, or a connection that became wrong in a state that was
  already wrong: a second breach is told although the first is still there.
- Back to normal is told once, when nothing is wrong any more; the first proof of a project that is normal is no event.
- A proof that is itself too old does not end the state OVERDUE, unless something in it became wrong.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cloison_view.connections import ProofConnection
from cloison_view.labels import display_name, shown

MAX_NAMED: Final = 20  # connections that an event names; its number of all is exact
MAX_IN_SUMMARY: Final = 3
MAX_SUMMARY: Final = 500  # characters, as the column has them
HASH_BYTES: Final = 8


class Kind(StrEnum):
    """The kinds of events, as the table stores them. All but TEST are states of a project, too."""

    BREACH = "breach"
    BROKEN = "broken"
    UNPROVEN = "unproven"
    OVERDUE = "overdue"
    NORMAL = "normal"
    TEST = "test"


NO_STATE: Final = ""
"""The state of a project before its first proof."""
WRONG: Final = (Kind.BREACH, Kind.BROKEN)
TITLES: Final[Mapping[str, str]] = {
    Kind.BREACH: "became a breach",
    Kind.BROKEN: "a needed connection is closed",
    Kind.UNPROVEN: "isolation is unproven",
    Kind.OVERDUE: "no recent proof",
    Kind.NORMAL: "back to normal",
    Kind.TEST: "test message",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of a project: its state, and a hash of each connection that is wrong."""

    state: str
    problems: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """The state and the problems to record, and the event, if this is one, with the connections that became wrong."""

    recorded: Recorded
    kind: Kind | None = None
    gained: tuple[ProofConnection, ...] = ()


def problems(found: Iterable[ProofConnection]) -> dict[bytes, ProofConnection]:
    """Return the connections that are wrong by their hash."""
    return {_hash(connection): connection for connection in found if connection.judgement in WRONG}


def decide(before: Recorded, word: str, wrong: Mapping[bytes, ProofConnection], *, is_overdue: bool) -> Decision:
    """Return what a proof with this verdict and these `problems` changes."""
    gained = tuple(connection for key, connection in wrong.items() if key not in before.problems)
    state = _state(word, wrong.values())
    if is_overdue and before.state == Kind.OVERDUE and not gained:
        return Decision(before)
    after = Recorded(state, frozenset(wrong))
    if gained:
        kind = Kind.BREACH if any(one.judgement == Kind.BREACH for one in gained) else Kind.BROKEN
        return Decision(after, kind, tuple(one for one in gained if one.judgement == kind))
    if before.state in {state, NO_STATE if state == Kind.NORMAL else state}:
        return Decision(after)
    # One problem less is no event while another is left.
    is_better = state in WRONG and before.state in WRONG
    return Decision(after) if is_better else Decision(after, state, tuple(wrong.values()))


def pack(problems: Collection[bytes]) -> bytes:
    """Return the hashes as the table stores them."""
    return b"".join(sorted(problems))


def unpack(stored: bytes) -> frozenset[bytes]:
    """Return the hashes that the table stores."""
    return frozenset(stored[start : start + HASH_BYTES] for start in range(0, len(stored), HASH_BYTES))


def summary(kind: Kind, gained: Collection[ProofConnection] = (), *, hours: int = 0) -> str:
    """Return the event in one sentence, without the name of its project."""
    if kind in WRONG and gained:
        named = [connection_text(one) for one in list(gained)[:MAX_IN_SUMMARY]]
        rest = len(gained) - len(named)
        names = ", ".join(named) + (f" and {rest:,} more" if rest else "")
        number = f"{len(gained):,} connections are" if len(gained) > 1 else "A connection is"
        what = "open and must be closed" if kind is Kind.BREACH else "closed and needed"
        return f"{number} {what}: {names}."[:MAX_SUMMARY]
    return {
        Kind.UNPROVEN: "Some connections could not be observed; whether they are isolated is unknown.",
        Kind.OVERDUE: f"No proof has arrived for {hours} hours. The timer or the machine that sends them may be down.",
        Kind.NORMAL: "Proofs arrive, and nothing is wrong any more.",
        Kind.TEST: "This is a test message of the ledger. Nothing has happened.",
        Kind.BREACH: "A connection is open and must be closed.",
        Kind.BROKEN: "A connection is closed and needed.",
    }[kind]


def details(gained: Collection[ProofConnection]) -> dict[str, Any]:
    """Return the connections of an event for programs: the first MAX_NAMED of them, and the number of all."""
    named = [
        {"source": one.source, "target": one.target, "protocol": one.protocol, "port": one.port}
        for one in list(gained)[:MAX_NAMED]
    ]
    return {"connections": named, "total": len(gained)}


def connection_text(connection: ProofConnection) -> str:
    """Return a connection for people: `outside → db 3306/tcp`."""
    port = f"{connection.port}/{connection.protocol}" if connection.port else f"any other port, {connection.protocol}"
    source, target = (shown(display_name(name)) for name in (connection.source, connection.target))
    return f"{source} → {target} {port}"


def _state(word: str, wrong: Iterable[ProofConnection]) -> Kind:
    judgements = {connection.judgement for connection in wrong}
    for kind in WRONG:
        if kind.value in judgements:
            return kind
    return Kind.UNPROVEN if word == "unproven" else Kind.NORMAL


def _hash(connection: ProofConnection) -> bytes:
    content = repr((connection.judgement, connection.key)).encode()
    return hashlib.blake2b(content, digest_size=HASH_BYTES).digest()
