"""What another tool's rules say about a project, as needs, and sentences for what a policy cannot say.

Output: `Imported`, and the services that the names of containers mean.
Rule: a rule that a policy cannot say exactly becomes the line that is closest, with a sentence; one that it cannot say
at all becomes a sentence alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloison.compose.project import Project
from cloison.draft.need import Need
from cloison.model.flow import service_place


@dataclass(frozen=True, slots=True)
class Imported:
    """The needs of another tool's rules, and sentences about them; `services` are those that the rules speak about."""

    needs: tuple[Need, ...]
    sentences: tuple[str, ...]
    services: frozenset[str] = frozenset()


def service_of(project: Project, document: Mapping[str, Any], name: str) -> str:
    """Return the service that the name of a service or of a container means, empty for another name.

    Compose calls a container PROJECT-SERVICE-NUMBER, and before version 2 PROJECT_SERVICE_NUMBER.
    """
    for key, body in document["services"].items():
        pattern = rf"{re.escape(project.name)}[-_]{re.escape(key)}[-_][0-9]+"
        if name in (key, body.get("container_name")) or re.fullmatch(pattern, name):
            return service_place(key)
    return ""
