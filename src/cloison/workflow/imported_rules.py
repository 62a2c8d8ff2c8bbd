"""Adds what another tool's rules allow to the needs of a project.

Input: the project, its needs by the file, and the tool. Output: the needs, and sentences about the rules.
Rule: where the tool decides, its rules replace what the file shows: for whalewall what starts or ends at a service with
its label, for ufw-docker what comes from the outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cloison.compose.project import Project
from cloison.draft import ufw_docker, whalewall
from cloison.draft.need import Need
from cloison.errors import FileError, UsageError
from cloison.model.flow import OUTSIDE

WHALEWALL: Final = "whalewall"
NO_LABELS: Final = f"no service of the file has the label {whalewall.ENABLED}=true, so there is nothing to import"
INSTALLED: Final = "# BEGIN UFW AND DOCKER"
NOT_INSTALLED: Final = "{file}: ufw-docker is not installed in it, so ufw's rules had no effect on containers"


def with_imported(
    project: Project, document: Mapping[str, Any], needs: Sequence[Need], tool: str, ufw_rules: str
) -> tuple[list[Need], tuple[str, ...]]:
    """Return the needs with those of another tool's rules, and sentences about these.

    Raises FileError for rules that cannot be read, UsageError where there are none.
    """
    if tool == WHALEWALL:
        found = whalewall.imported(project, document)
        if not found.services:
            raise UsageError(NO_LABELS)
        others = [need for need in needs if found.services.isdisjoint((need.source, need.target))]
        return [*others, *found.needs], found.sentences
    path = Path(ufw_rules)
    found = ufw_docker.imported(project, document, _text(path), str(path))
    others = [need for need in needs if need.source != OUTSIDE]
    after = path.with_name("after.rules")
    missing = after.exists() and INSTALLED not in _text(after)
    sentences = (*found.sentences, *([NOT_INSTALLED.format(file=after)] if missing else ()))
    return [*others, *found.needs], sentences


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(
            f"{path}: the rules of ufw could not be read: {error.strerror}; name them with --ufw-rules"
        ) from error
    except UnicodeError as error:
        raise FileError(f"{path}: the rules of ufw are not UTF-8 text") from error
