"""Reads the durations of options: `60s`, `5m`, `1h`, `30d`."""

from __future__ import annotations

import re
from typing import Final

import click

DURATION: Final = re.compile(r"(?P<number>[0-9]{1,5})(?P<unit>[smhd]?)")
SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def seconds(text: str, longest: int, advice: str) -> int:
    """Return the seconds of a duration of up to `longest` seconds.

    Raises BadParameter with the advice for another text.
    """
    match = DURATION.fullmatch(text)
    found = int(match["number"]) * SECONDS[match["unit"]] if match else 0
    if not 1 <= found <= longest:
        raise click.BadParameter(f'"{text}" is not a duration; {advice}')
    return found
