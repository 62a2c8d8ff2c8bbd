"""Doors over time: who could reach whom, since when, until when, by which proof."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from ledger.archive.lines import Spell
from ledger.gate import Demand, demands
from ledger.views import fresh, shown
from ledger.views.reading import archive, the_project
from ledger.views.timeline import Scale, timeline

bp = Blueprint("doors", __name__)

SPELLS: Final = 400  # of one page
PORTS: Final = 65536
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
    line, now = the_project(project), fresh.this_minute()
    spells = archive().spells(project, **wanted, limit=SPELLS + 1) if line.last else []
    return fresh.answer(
        (now, line, spells),
        lambda: render_template(
            "doors.html",
            line=line,
            doors=_lines(spells[:SPELLS], now),
            scale=Scale.over(spells[:SPELLS], now),
            is_cut=len(spells) > SPELLS,
            wanted=wanted,
            words=WORDS,
            places=shown.places(project, line.last.digest) if line.last else "",
            now=now,
        ),
    )


def _wanted() -> dict[str, Any]:
    given = {name: request.args.get(name, "").strip() for name in ("source", "target", "port", "protocol", "observed")}
    for name, allowed in WORDS.items():
        if given[name] and given[name] not in allowed:
            abort(400, f"{name}={given[name]!r} is none of {', '.join(allowed)}.")
    port = given.pop("port")
    if port and not (port.isdecimal() and int(port) < PORTS):
        abort(400, f"port={port!r} is no port; 0 stands for any other port.")
    return {name: value or None for name, value in given.items()} | {"port": int(port) if port else None}


def _lines(spells: list[Spell], now: Any) -> list[DoorLine]:
    scale = Scale.over(spells, now)
    found = []
    for key, group in groupby(sorted(spells, key=_key), key=_key):
        of_door = tuple(sorted(group, key=lambda spell: spell.since, reverse=True))
        found.append(DoorLine(*key, of_door, timeline(of_door, scale)))
    return found


def _key(spell: Spell) -> tuple[str, str, str, int]:
    return spell.source, spell.target, spell.protocol, spell.port
