"""Puts a policy into the text of a Compose file, and leaves every other character as it is.

Input: the text of a file, and the block of YAML. Output: the text with the block.
Rules:
  - The text itself is edited, at positions that the parser gives: comments, quotes, anchors, order and line ends stay.
  - The result is parsed again, and is refused unless everything else in it means what it meant before.
Source: https://yaml.readthedocs.io/en/latest/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from cloison.compose.policy_key import POLICY_KEY
from cloison.errors import FileError, UsageError
from cloison.model.text import printable_line

END_OF_POLICY: Final = re.compile(r"(?:^(?:#.*|[ \t]*)\r?\n?)+\Z", re.MULTILINE)
"""The lines before the next key that do not belong to the policy: empty ones, and comments that are not indented."""
PASTE: Final = "print the policy without --write, and paste it"


def with_policy(text: str, block: str, where: str, *, replaces: bool = False) -> str:
    """Return the text of the Compose file `where` with the block; with `replaces`, in the place of the policy in it.

    Raises FileError for a text that is no YAML, UsageError for a file with a policy and one that cannot be edited.
    """
    root = root_of(text, where)
    line_end = "\r\n" if "\r\n" in text else "\n"
    written = block.replace("\n", line_end)
    span = _span(root, text)
    if span and not replaces:
        raise UsageError(f"{where}: the file has a policy already; --force replaces it")
    for edited in _edited(text, written, span or (root.end_mark.index,) * 2, line_end):
        with suppress(FileError):  # such as an alias whose anchor was in the old policy
            if others(root_of(edited, where)) == others(root):
                return edited
    raise UsageError(f"{where}: the policy cannot be put into this file without changing the rest; {PASTE}")


def has_policy(text: str, where: str) -> bool:
    """Whether the text of a Compose file has a policy.

    Raises FileError for a text that is no YAML, UsageError for one that cannot be edited.
    """
    return POLICY_KEY in _keys(root_of(text, where))


def _edited(text: str, block: str, span: tuple[int, int], line_end: str) -> Iterator[str]:
    """Yield the text with the block in place of a span: with an empty line before it, then without."""
    before, after = text[: span[0]], text[span[1] :]
    if before and not before.endswith("\n"):
        before += line_end
    gap = "" if before.endswith(line_end * 2) or not before or span[0] != span[1] else line_end
    for start in (before + gap, before):
        yield f"{start}{block}{line_end if after.strip() and span[0] == span[1] else ''}{after}"
        yield f"{start}{block}{after}"


def root_of(text: str, where: str) -> Any:
    """Return the node of the mapping at the top of a file.

    Raises FileError for a text that is no YAML, UsageError for a mapping in braces or for several documents.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415  # slow, and only --write needs it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415
    from ruamel.yaml.nodes import MappingNode  # noqa: PLC0415

    try:
        found = list(YAML(typ="rt", pure=True).compose_all(text))
    except (YAMLError, ValueError, RecursionError) as error:
        raise FileError(f"{where}: this is no YAML that can be edited: {printable_line(str(error))}") from error
    if len(found) != 1:
        raise UsageError(f"{where}: the file has {len(found)} documents; {PASTE} into one of them")
    if not isinstance(found[0], MappingNode) or found[0].flow_style:
        raise UsageError(f"{where}: the file is no mapping in lines, or is written in braces; {PASTE}")
    return found[0]


def _keys(root: Any) -> list[str]:
    return [str(key.value) for key, _ in root.value]


def _span(root: Any, text: str) -> tuple[int, int] | None:
    """Return where the policy begins and ends, None without one."""
    keys = _keys(root)
    if POLICY_KEY not in keys:
        return None
    position = keys.index(POLICY_KEY)
    start = root.value[position][0].start_mark.index
    following = [key.start_mark.index for key, _ in root.value[position + 1 : position + 2]]
    end = (following or [root.end_mark.index])[0]
    rest = END_OF_POLICY.search(text, start, end)
    return start, rest.start() if rest else end


def others(root: Any) -> list[Any]:
    """Return everything but the policy, without positions and styles."""
    return [(plain(key, ()), plain(value, ())) for key, value in root.value if str(key.value) != POLICY_KEY]


def plain(node: Any, inside: tuple[int, ...]) -> Any:
    """Return a node as tag and value; a node inside itself, which an alias can make, as nothing."""
    if id(node) in inside:
        return None
    within = (*inside, id(node))
    if isinstance(node.value, list):
        parts = [
            tuple(plain(part, within) for part in item) if isinstance(item, tuple) else plain(item, within)
            for item in node.value
        ]
        return (str(node.tag), parts)
    return (str(node.tag), node.value)
