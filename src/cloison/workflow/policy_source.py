"""Chooses the policy that counts: the one in the Compose files, or that of a file of its own.

Input: a resolved document, the options that select it, and a `PolicySource`. Output: the document with the policy.
Rule: a policy that Compose drops is an error, because a gate without it would be open. A file of its own replaces the
policy of the Compose files, so a change under test cannot loosen it.
Source: Compose drops top-level keys with `x-` of included files (measured with Compose 2.40.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.compose.project import POLICY_KEY
from cloison.engine.compose_cli import Selection, source_files
from cloison.errors import PolicyError
from cloison.workflow.request import PolicySource

POLICY_KEYS: Final = frozenset({"allow", "groups", "tolerate"})
INCLUDE: Final = "include"


def with_policy(document: Mapping[str, Any], selection: Selection, source: PolicySource) -> Mapping[str, Any]:
    """Return the document with the policy that counts.

    Raises PolicyError when there is none and one is required, when a file has none, or when an included file has one.
    """
    if source.file:
        return _replaced(document, source.file)
    for file in _included(selection):
        if POLICY_KEY in file.content:
            raise PolicyError(
                f"{file.name}: Compose drops the policy ({POLICY_KEY}) of an included file; move it into "
                f"{file.included_by}, or name a file with --policy"
            )
    if source.is_required and document.get(POLICY_KEY) is None:
        raise PolicyError(
            f"the Compose file has no policy ({POLICY_KEY}), and --require-policy needs one; `cloison init` drafts it"
        )
    return document


def _replaced(document: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    content = _yaml(file)
    if isinstance(content, Mapping) and POLICY_KEY not in content and content.keys() & POLICY_KEYS:
        content = {POLICY_KEY: content}
    if not isinstance(content, Mapping) or content.get(POLICY_KEY) is None:
        raise PolicyError(f"{file}: no policy is in it; its top level is {POLICY_KEY}, or allow, groups and tolerate")
    changed = {**document, POLICY_KEY: content[POLICY_KEY]}
    try:
        policy.check_publications(compose_project.project(changed))
    except PolicyError as error:
        raise PolicyError(f"{file}: {error}") from error
    return changed


@dataclass(frozen=True, slots=True)
class _IncludedFile:
    name: str
    included_by: str
    content: Mapping[str, Any]


def _included(selection: Selection) -> Iterator[_IncludedFile]:
    """Yield the files that the Compose files include, and those that these include, as far as they can be read."""
    waiting = [(Path(name), Path(selection.directory or Path(name).parent)) for name in source_files(selection)]
    seen: set[Path] = set()
    while waiting:
        name, folder = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for path in _includes(name):
            try:
                content = _yaml(folder / path, with_tags=True)
            except PolicyError:
                continue  # a path with a variable, or from elsewhere: Compose reads it
            if isinstance(content, Mapping):
                yield _IncludedFile(path, str(name), content)
            waiting.append((folder / path, (folder / path).parent))


def _includes(file: Path) -> Iterator[str]:
    """Yield the paths of `include:` of a file; a file without the word is not parsed, because parsing is slow."""
    try:
        content = _yaml(file, with_tags=True) if INCLUDE in file.read_text(encoding="utf-8") else None
    except (OSError, UnicodeError, PolicyError):
        return
    for entry in (content.get(INCLUDE) or ()) if isinstance(content, Mapping) else ():
        paths = entry.get("path") if isinstance(entry, Mapping) else entry
        yield from (path for path in (paths if isinstance(paths, list) else [paths]) if isinstance(path, str))


def _yaml(file: Path, *, with_tags: bool = False) -> Any:
    """Return the content of a file of YAML; `with_tags` it may have tags of Compose, such as `!reset`: without a value.

    Raises PolicyError when it cannot be read.
    """
    from ruamel.yaml import YAML  # slow, and few need it
    from ruamel.yaml.error import YAMLError

    loader = YAML(typ="safe", pure=True)
    if with_tags:
        loader.constructor.add_constructor(None, lambda *_: None)
    try:
        return loader.load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(f"{file}: the file could not be read: {error.strerror}") from error
    except UnicodeError as error:
        raise PolicyError(f"{file}: the file is not UTF-8 text") from error
    except (YAMLError, RecursionError, ValueError) as error:
        first = " ".join(str(error).split())[:200]
        raise PolicyError(f"{file}: the file is not YAML: {first}") from error
