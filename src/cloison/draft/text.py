"""A draft as text: the block of YAML with a comment in every line, and the paragraph that says what it accepts.

Input: a `Draft`. Output: text, the same for the same draft.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from cloison.compose.policy_key import POLICY_KEY
from cloison.compose.project import Project
from cloison.draft.draft import Draft, Tolerated
from cloison.model.flow import HOST, OUTSIDE
from cloison.model.text import listed, printable_line
from cloison.plan.tolerations import TolerationEntry

PLAIN: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9 ,;>/._-]|:(?! ))*(?<![: ])")
"""Texts that YAML reads as strings without quotes: no comment, no key, no indicator at the beginning."""
YAML_KEYWORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
COMMENT_COLUMN: Final = 40
MOST_ORIGINS: Final = 3
MOST_MEMBERS: Final = 6


def block(found: Draft, about: str) -> str:
    """Return the block of YAML; `about` says in a comment what it was made from."""
    lines = [f"{POLICY_KEY}:", f"  # {about}", *_allowed(found), *_tolerated(found)]
    return "\n".join(lines) + "\n"


def _allowed(found: Draft) -> Iterator[str]:
    if not found.allow:
        yield "  allow: []  # nothing in the file shows that one service needs another"
        return
    yield "  allow:"
    for rule in found.allow:
        yield _commented(f"    - {scalar(rule.text)}", listed(rule.origins, MOST_ORIGINS))


def _tolerated(found: Draft) -> Iterator[str]:
    if found.tolerate:
        yield "  tolerate:"
    for known in found.tolerate:
        (key, text), *others = known.entry.items()
        yield _commented(f"    - {key}: {scalar(str(text))}", _origin(known))
        yield from (f"      {name}: {scalar(str(value))}" for name, value in others)


def _origin(known: Tolerated) -> str:
    if not known.flows:
        return "open where the project runs"
    return f"open by the file: {known.flows} flow{'' if known.flows == 1 else 's'}"


def _commented(line: str, comment: str) -> str:
    return f"{line:<{COMMENT_COLUMN}}  # {printable_line(comment)}"


def scalar(text: str) -> str:
    """Return a text as YAML, without quotes where it can do without."""
    is_plain = PLAIN.fullmatch(text) and text.lower() not in YAML_KEYWORDS
    return text if is_plain else json.dumps(text)


def accepted(project: Project, found: Draft) -> str:
    """Return the paragraph that says what a draft accepts although nothing needs it."""
    phrases = [*dict.fromkeys(_phrase(project, known.entry, is_loopback=known.is_loopback) for known in found.tolerate)]
    if not phrases:
        return "This policy accepts nothing that it does not need."
    return f"This policy accepts: {'; '.join(phrases)}."


def _phrase(project: Project, entry: TolerationEntry, *, is_loopback: bool) -> str:
    if key := entry.get("network"):
        name = project.networks[key].name
        members = [place for place in sorted(project.services) if name in project.attached_networks(place)]
        return f"every connection between {listed(members, MOST_MEMBERS)} over the network {key}"
    text = str(entry["flow"])
    source, _, target = text.partition(" -> ")
    source = "every service" if source == "*" else source
    if is_loopback:
        return f"{text}, although the file publishes it on a loopback address only"
    if target == OUTSIDE:
        return f"{source} to the internet"
    return f"{source} to every port of the host" if target == HOST else text
