"""Adds what a running project shows to a draft: its connections, its ports, and foreign containers on its networks.

Input: a project, its needs by the file, and the seconds to learn. Output: `Learned`.
Rule: without root on the engine's machine nothing is read, and one sentence says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from cloison.compose.project import Project
from cloison.draft.need import Need
from cloison.draft.seen_needs import foreign_tolerations, seen_needs, without_listener
from cloison.errors import NotProven
from cloison.linux import netns
from cloison.plan.tolerations import TolerationEntry

FILE_ALONE = "the draft is made from the file alone"


@dataclass(frozen=True, slots=True)
class Learned:
    """The needs by the file and by what was seen, the tolerations that were found beside, and sentences about both."""

    needs: Sequence[Need]
    more: Sequence[TolerationEntry] = ()
    left_out: Sequence[str] = ()
    notes: Sequence[str] = ()


def learned(
    project: Project, needs: Sequence[Need], seconds: float, progress: Callable[[str], None] = lambda _: None
) -> Learned:
    """Return the needs of a project with those that it shows now, or within some seconds."""
    if not netns.can_enter():
        return Learned(needs, notes=[f"Connections are read by root on the engine's machine only; {FILE_ALONE}."])
    try:
        return _learned(project, needs, seconds, progress)
    except NotProven as error:
        return Learned(needs, notes=[f"No running project was looked at, so {FILE_ALONE}: {error}."])


def _learned(project: Project, needs: Sequence[Need], seconds: float, progress: Callable[[str], None]) -> Learned:
    from cloison.engine import connection, select
    from cloison.observe import live_connections

    elsewhere = Learned(needs, notes=[f"The engine is on another machine, so {FILE_ALONE}."])
    if not connection.socket_path():  # a machine that does not answer would keep a draft waiting
        return elsewhere
    with connection.engine_connection() as found:
        if not found.is_local():
            return elsewhere
    with closing(select.engine()) as engine:
        watch = live_connections.Watch(seconds) if seconds else None
        live = live_connections.live_connections(engine, project, watch, progress)
    if not live_connections.running(project, live.facts):
        return Learned(needs, notes=[f"No container of the project runs, so {FILE_ALONE}."])
    when = f"within {live.seconds:.0f} s" if seconds else f"at {datetime.now().astimezone():%H:%M}"
    seen = seen_needs(project, live.facts, live.connections, live.host_owners, when)
    kept, left_out = without_listener(project, live.facts, needs)
    notes = [f"{sentence}; its connections were not read." for sentence in live.failures]
    if seconds and not live.has_events:
        notes.append("The kernel reports no events of connections, so those between two samples may be missing.")
    return Learned([*kept, *seen], [*foreign_tolerations(project, live.facts)], left_out, notes)
