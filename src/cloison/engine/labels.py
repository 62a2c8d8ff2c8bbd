"""Labels and names on the engine that this project reads or writes.

Rule: any container may have a label, and images pass theirs on, so a label alone never makes a container ours.
Source: https://docs.docker.com/reference/compose-file/services/#labels (Compose's own labels)
"""

from __future__ import annotations

from typing import Final

COMPOSE_PROJECT: Final = "com.docker.compose.project"
COMPOSE_SERVICE: Final = "com.docker.compose.service"
COMPOSE_FILES: Final = "com.docker.compose.project.config_files"
"""The absolute paths of the Compose files, separated by commas."""
COMPOSE_FOLDER: Final = "com.docker.compose.project.working_dir"
COMPOSE_ENV_FILES: Final = "com.docker.compose.project.environment_file"
COMPOSE_ONE_OFF: Final = "com.docker.compose.oneoff"
AGENT_LABEL: Final = "io.cloison.agent"
"""On an agent's container; the value is its token."""
AGENT_NAME: Final = "cloison-agent-"
"""The prefix of the name of an agent's container; its token follows."""
REHEARSAL_LABEL: Final = "io.cloison.rehearsal"
"""On everything that a rehearsal makes; the value is the rehearsal's name."""
