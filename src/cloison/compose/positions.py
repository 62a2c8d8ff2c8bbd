"""The positions of keys in the text of a Compose file: the line and the column of each path.

Input: the names and texts of the files, in the order in which Compose merges them. Output: `Positions`.
Rule: the text is composed, never constructed, so no tag of it is evaluated. A text that is no YAML has no positions.
Source: https://yaml.org/spec/1.2.2/#31-processes (composing is the step before constructing)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MAX_DEPTH: Final = 5
"""Levels of keys that are read; the deepest path of a finding is `services.NAME.deploy.replicas`."""
MAX_KEYS: Final = 200_000
"""Keys that are read of all files: aliases of YAML can repeat a mapping without end."""
MERGE_KEY: Final = "<<"
"""Adds the keys of another mapping: https://yaml.org/type/merge.html"""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; `line` and `column` count from 1."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Positions:
    """The positions of paths as findings write them: `services.db.ports`, `x-cloison.allow[2]`.

    A list of plain words has the path of each word, too: `services.db.networks.back`.
    """

    files: tuple[str, ...] = ()
    known: Mapping[str, Position] = field(default_factory=dict)

    def find(self, *paths: str) -> Position | None:
        """Return the position of the first path that is known, of its nearest key, or the beginning of the first file.

        None without a file.
        """
        for path in paths:
            if found := self.known.get(path):
                return found
        for path in paths:
            if found := self._nearest(path):
                return found
        return Position(self.files[0]) if self.files else None

    def _nearest(self, path: str) -> Position | None:
        while path:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
            if found := self.known.get(path):
                return found
        return None


def read_positions(texts: Iterable[tuple[str, str]]) -> Positions:
    """Return the positions in files, each a name and its text; the last file that has a key decides, as in Compose."""
    files: list[str] = []
    known: dict[str, Position] = {}
    for name, text in texts:
        files.append(name)
        found: dict[str, Position] = {}
        for path, line, column in _paths(text):
            found.setdefault(path, Position(name, line + 1, column + 1))
            if len(known) + len(found) >= MAX_KEYS:
                break
        known |= found
    return Positions(tuple(files), known)


def _paths(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield every path of a text with its line and column, which count from 0."""
    from ruamel.yaml import YAML  # noqa: PLC0415  # the import takes 60 ms, and only some reports need it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415  # same

    try:
        for node in YAML(typ="safe", pure=True).compose_all(text):
            yield from _below(node, "", 0)
    except (YAMLError, RecursionError, ValueError):
        return


def _below(node: Any, path: str, depth: int) -> Iterator[tuple[str, int, int]]:
    if depth >= MAX_DEPTH or not isinstance(node.value, list):
        return
    if node.id == "sequence":
        yield from _entries(node, path, depth)
        return
    for key, value in node.value:
        if key.value == MERGE_KEY:
            for merged in value.value if value.id == "sequence" else (value,):
                yield from _below(merged, path, depth)
        elif isinstance(key.value, str):
            below = f"{path}.{key.value}" if path else key.value
            yield below, key.start_mark.line, key.start_mark.column
            yield from _below(value, below, depth + 1)


def _entries(node: Any, path: str, depth: int) -> Iterator[tuple[str, int, int]]:
    for index, entry in enumerate(node.value):
        below, mark = f"{path}[{index}]", entry.start_mark
        yield below, mark.line, mark.column
        if isinstance(entry.value, str):
            yield f"{path}.{entry.value}", mark.line, mark.column
        yield from _below(entry, below, depth + 1)
