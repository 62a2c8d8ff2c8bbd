"""Labels on containers, networks and images that this project reads or writes.

Rule: a label can be set by anybody, and images pass theirs on; what is ours is decided by more than a label.
Source: https://docs.docker.com/reference/compose-file/services/#labels (Compose's own labels).
"""

from __future__ import annotations

from typing import Final

COMPOSE_PROJECT: Final = "com.docker.compose.project"
COMPOSE_SERVICE: Final = "com.docker.compose.service"
COMPOSE_ONE_OFF: Final = "com.docker.compose.oneoff"
AGENT_LABEL: Final = "io.cloison.agent"
"""On an agent's container; it belongs to no project and is no vantage."""
REHEARSAL_LABEL: Final = "io.cloison.rehearsal"
"""On whatever a rehearsal makes; the value is the rehearsal's name."""
