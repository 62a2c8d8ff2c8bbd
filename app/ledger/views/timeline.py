"""One door over time as a band: open is a full band, shut a thin line, unknown something hatched between them.

Rule: what the colour says, the height says too, and the table beside the picture says in words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from markupsafe import Markup

from ledger.views import time_format

WIDTH: Final = 1000  # the picture's own units; the page stretches it
HEIGHT: Final = 20
TALL: Final[Mapping[str, int]] = {"open": 20, "unknown": 12, "shut": 4}
LEAST: Final = 3  # units; what was open for a second must still be seen after a year

FRAME: Final = Markup(
    '<svg class="timeline" role="img" aria-label="{label}" viewBox="0 0 {width} {height}" preserveAspectRatio="none">'
    "{bands}</svg>"
)
BAND: Final = Markup(
    '<rect class="band {judgement}" x="{x}" y="{y}" width="{width}" height="{height}"><title>{title}</title></rect>'
)


class Spell(Protocol):
    """As much of a door's spell as a band needs: archive.Spell has it."""

    @property
    def observed(self) -> str:
        """What was seen."""

    @property
    def judgement(self) -> str:
        """What that means."""

    @property
    def since(self) -> datetime:
        """When it was first seen so."""

    @property
    def until(self) -> datetime | None:
        """When it was first seen otherwise; None while it is."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The time that a picture spans."""

    start: datetime
    end: datetime

    @classmethod
    def over(cls, spells: Iterable[Spell], now: datetime) -> "Scale":
        """Span some spells, up to now."""
        starts = [time_format.utc(spell.since) for spell in spells]
        return cls(min(starts, default=time_format.utc(now)), max([*starts, time_format.utc(now)]))

    def at(self, moment: datetime) -> float:
        """Return where a moment is."""
        whole = (self.end - self.start).total_seconds() or 1
        share = (time_format.utc(moment) - self.start).total_seconds() / whole
        return round(min(max(share, 0), 1) * WIDTH, 1)


def timeline(spells: Iterable[Spell], scale: Scale) -> Markup:
    """Draw the spells of one door."""
    ordered = sorted(spells, key=lambda spell: time_format.utc(spell.since))
    label = "; ".join(_sentence(spell) for spell in ordered[-3:])
    bands = Markup("").join(_band(spell, scale) for spell in ordered)
    return FRAME.format(label=label, width=WIDTH, height=HEIGHT, bands=bands)


def _band(spell: Spell, scale: Scale) -> Markup:
    tall = TALL.get(spell.observed, TALL["unknown"])
    start = scale.at(spell.since)
    width = max(scale.at(spell.until or scale.end) - start, LEAST)
    return BAND.format(
        judgement=spell.judgement,
        x=min(start, WIDTH - LEAST),
        y=HEIGHT - tall,
        width=round(width, 1),
        height=tall,
        title=_sentence(spell),
    )


def _sentence(spell: Spell) -> str:
    until = f"until {time_format.clock(spell.until)}" if spell.until else "until now"
    return f"{spell.observed} from {time_format.clock(spell.since)} {until} ({spell.judgement})"
