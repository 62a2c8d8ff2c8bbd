"""Doors over time: who could reach whom, since when, until when, by which proof."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from ledger.archive.records import Spell
from ledger.authorization import Demand, demands
from ledger.views import http_cache, proof_fragments
from ledger.views.queries import archive, the_project
from ledger.views.timeline import Scale, timeline

bp = Blueprint("doors", __name__)

SPELLS: Final = 200  # of one page
PORTS: Final = 65535
MOST_SKIPPED: Final = 10**7
WORDS: Final = {"protocol": ("tcp", "udp"), "observed": ("open", "shut", "unknown")}


@dataclass(frozen=True, slots=True)
class DoorLine:
    """One door with its spells, newest first, and their picture."""

    source: str
    target: str
    protocol: str
    port: int
    spells: tuple[Spell, ...]
    picture: Markup


@bp.get("/projects/<project>/doors")
@demands(Demand.READER)
def index(project: str) -> ResponseReturnValue:
    """Show the doors that were asked for, each with its time line."""
    wanted = _wanted()
    line, now = the_project(project), http_cache.this_minute()
    skip = _number("skip", MOST_SKIPPED) or 0
    spells = archive().spells(project, **wanted, offset=skip, limit=SPELLS + 1) if line.last else []
    part = _whole(spells)
    return http_cache.answer(
        (now, line, spells),
        lambda: render_template(
            "doors.html",
            line=line,
            doors=_lines(part, now),
            scale=Scale.over(part, now),
            skip=skip,
            more=skip + len(part) if len(part) < len(spells) else None,
            wanted=wanted,
            words=WORDS,
            places=proof_fragments.places(project, line.last.digest) if line.last else "",
            now=now,
        ),
    )


def _wanted() -> dict[str, Any]:
    given = {name: request.args.get(name, "").strip() for name in ("source", "target", "protocol", "observed")}
    for name, allowed in WORDS.items():
        if given[name] and given[name] not in allowed:
            abort(400, f"{name}={given[name]!r} is none of {', '.join(allowed)}.")
    return {name: value or None for name, value in given.items()} | {"port": _number("port", PORTS)}


def _number(name: str, most: int) -> int | None:
    value = request.args.get(name, "").strip()
    if not value:
        return None
    if not (value.isascii() and value.isdecimal() and int(value[:20]) <= most):
        abort(400, f"{name}={value[:80]!r} is no number from 0 to {most}.")
    return int(value)


def _whole(spells: list[Spell]) -> list[Spell]:
    """Return as many as make a page, without the last door when the page would end within it."""
    if len(spells) <= SPELLS:
        return spells
    cut = [spell for spell in spells[:SPELLS] if _key(spell) != _key(spells[SPELLS])]
    return cut or spells[:SPELLS]


def _lines(spells: list[Spell], now: datetime) -> list[DoorLine]:
    scale = Scale.over(spells, now)
    found = []
    for key, group in groupby(spells, key=_key):
        of_door = tuple(reversed(tuple(group)))
        found.append(DoorLine(*key, of_door, timeline(of_door, scale)))
    return found


def _key(spell: Spell) -> tuple[str, str, str, int]:
    return spell.source, spell.target, spell.protocol, spell.port
