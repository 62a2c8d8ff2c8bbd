"""The Compose files as they are written, with those that they include, before Compose merges them.

Input: the options that select a project. Output: the content of each file in which a policy could be lost.
Rule: Compose reads the files; this looks for what it drops. A file is parsed only where its text has a word of that,
because parsing takes longer than the rest of a plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cloison.compose.policy_key import POLICY_KEY
from cloison.engine.compose_cli import STDIN, Selection, source_files
from cloison.errors import PolicyError

INCLUDE: Final = "include"
INNER_POLICY: Final = re.compile(rf"(?:^[ \t]+|[{{,]\s*)[\"']?{POLICY_KEY}[\"']?\s*:", re.MULTILINE)
"""A policy that may be inside something: behind a space at the beginning of a line, or inside braces."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file, the one that includes it (empty for none), and its content: None where it cannot be read here."""

    name: str
    included_by: str
    content: Mapping[str, Any] | None


def source_texts(selection: Selection) -> Iterator[SourceText]:
    """Yield the files in which a policy could be lost: those of the selection, and those that they include.

    A file without content has a variable in its name, or is from elsewhere: Compose alone reads it.
    """
    waiting = [(name, "", _folder(selection, name)) for name in source_files(selection)]
    seen: set[str] = set()
    while waiting:
        name, included_by, folder = waiting.pop()
        path = name if name == STDIN and not included_by else str(folder / name if included_by else Path(name))
        if path in seen:
            continue
        seen.add(path)
        try:
            text = (selection.stdin or "") if path == STDIN else text_of(Path(path))
            is_relevant = included_by or INCLUDE in text or INNER_POLICY.search(text)
            content = yaml_of(text, path, with_tags=True) if is_relevant else {}
        except PolicyError:
            if included_by:
                yield SourceText(name, included_by, None)
            continue
        if isinstance(content, Mapping):
            yield SourceText(name, included_by, content)
            here = Path(path).parent if included_by else folder
            waiting += [(included, "stdin" if path == STDIN else path, here) for included in _includes(content)]


def _folder(selection: Selection, name: str) -> Path:
    """Return the folder to which the paths in a file of the selection are relative."""
    return Path(selection.directory or (Path.cwd() if name == STDIN else Path(name).parent))


def _includes(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of `include:` of a file."""
    entries = content.get(INCLUDE)
    for entry in entries if isinstance(entries, list) else ():
        paths = entry.get("path") if isinstance(entry, Mapping) else entry
        yield from (path for path in (paths if isinstance(paths, list) else [paths]) if isinstance(path, str))


def text_of(file: Path) -> str:
    """Return the text of a file.

    Raises PolicyError when it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError(f"{file}: the file could not be read: {error.strerror}") from error
    except UnicodeError as error:
        raise PolicyError(f"{file}: the file is not UTF-8 text") from error


def yaml_of(text: str, name: str, *, with_tags: bool = False) -> Any:
    """Return the content of YAML; `with_tags` it may have tags of Compose, such as `!reset`: without a value.

    Raises PolicyError when it is none.
    """
    from ruamel.yaml import YAML  # slow, and few need it
    from ruamel.yaml.error import YAMLError

    loader = YAML(typ="safe", pure=True)
    if with_tags:
        loader.constructor.add_constructor(None, lambda *_: None)
    try:
        return loader.load(text)
    except (YAMLError, RecursionError, ValueError) as error:
        first = " ".join(str(error).split())[:200]
        raise PolicyError(f"{name}: the file is not YAML: {first}") from error
