"""Removes lines of the policy from the text of a Compose file, and leaves every other character as it is.

Input: the text, and the positions of the lines, such as `x-cloison.allow[2]`. Output: the text without them.
Rules:
  - A comment at the end of a removed line goes with it; one on a line of its own stays.
  - The result is parsed again, and is refused unless it is the old content without these lines.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final

from cloison.compose.file_text import others, plain, root_of
from cloison.compose.policy_key import POLICY_KEY
from cloison.errors import FileError, UsageError

WHERE: Final = re.compile(rf"{POLICY_KEY}\.(?P<key>allow|tolerate)\[(?P<position>[0-9]+)\](?:\.flow)?")
BY_HAND: Final = "remove them by hand"


def without_lines(text: str, where: Collection[str], file: str, lengths: Mapping[str, int]) -> str:
    """Return the text of a Compose file without lines of its policy.

    `lengths` are the numbers of lines of `allow` and `tolerate` in the project: a file has all of them, or is refused,
    because positions count across files. Raises UsageError for such a file and one that cannot be edited, FileError
    for a text that is no YAML.
    """
    root = root_of(text, file)
    lists = {key: node for key, node in _lists(root).items() if lengths.get(key)}
    if {key: len(node.value) for key, (_, node) in lists.items()} != {k: n for k, n in lengths.items() if n}:
        raise UsageError(f"{file}: the policy's lines are not all in this file; {BY_HAND}")
    removed: dict[str, set[int]] = {}
    for match in filter(None, map(WHERE.fullmatch, where)):
        removed.setdefault(match["key"], set()).add(int(match["position"]))
    edits = [edit for key, positions in removed.items() for edit in _edits(text, *lists[key], positions)]
    edited = text
    for start, end, written in sorted(edits, reverse=True):
        edited = edited[:start] + written + edited[end:]
    with suppress(FileError):
        after = root_of(edited, file)
        if others(after) == others(root) and _is_without(root, after, removed):
            return edited
    raise UsageError(f"{file}: the lines cannot be removed without changing the rest; {BY_HAND}")


def _lists(root: Any) -> dict[str, tuple[Any, Any]]:
    """Return the keys of the policy with the nodes of their lists."""
    for key, value in root.value:
        if str(key.value) == POLICY_KEY and value.id == "mapping":
            return {str(name.value): (name, node) for name, node in value.value if node.id == "sequence"}
    return {}


def _edits(text: str, key: Any, node: Any, positions: Collection[int]) -> list[tuple[int, int, str]]:
    """Return the spans to replace, each with what stands there afterwards."""
    entries = node.value
    kept = [i for i in range(len(entries)) if i not in positions]
    if not kept:
        span = node.start_mark.index, _end(text, node)
        if node.flow_style:
            return [(*span, "[]")]
        colon = text.index(":", key.end_mark.index) + 1
        spans = [_whole_lines(text, entry) for entry in entries]
        return [(colon, colon, " []"), *((*found, "") for found in spans)]
    if not node.flow_style:
        return [(*_whole_lines(text, entries[i]), "") for i in positions]
    # Each entry that goes takes the comma on the side of its neighbour that stays.
    before = [i for i in positions if i < kept[0]]
    after = [i for i in positions if i > kept[0]]
    starts = [(entries[i].start_mark.index, entries[i + 1].start_mark.index, "") for i in before]
    return [*starts, *((_end(text, entries[i - 1]), _end(text, entries[i]), "") for i in after)]


def _whole_lines(text: str, entry: Any) -> tuple[int, int]:
    """Return the span of the lines of an entry, from its dash to the end of its last line."""
    start = text.rfind("\n", 0, entry.start_mark.index) + 1
    end = text.find("\n", _end(text, entry))
    return start, len(text) if end < 0 else end + 1


def _end(text: str, node: Any) -> int:
    """Return where a node ends: the parser lets a node in lines end where the next one begins."""
    if isinstance(node.value, list) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return end - (len(text[:end]) - len(text[:end].rstrip()))


def _is_without(before: Any, after: Any, removed: Mapping[str, Collection[int]]) -> bool:
    """Whether the lists of the policy are those of before without the removed lines."""
    expected = {
        key: [plain(entry, ()) for i, entry in enumerate(node.value) if i not in removed.get(key, ())]
        for key, (_, node) in _lists(before).items()
    }
    found = {key: [plain(entry, ()) for entry in node.value] for key, (_, node) in _lists(after).items()}
    return expected == found
