"""Which engine answers: the Docker-compatible API itself tells who is behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import docker

from cloison.engine.connection import FAILURES, local_client, socket_path
from cloison.engine.docker import Docker
from cloison.engine.podman import Podman
from cloison.errors import NotProven

COMPONENTS: Final[Mapping[str, Callable[[docker.APIClient], Docker]]] = {
    "Podman Engine": lambda api: Podman(api, socket_path()),
}
"""By the component that only this engine has: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System"""


def engine() -> Docker:
    """Return the engine that answers; the caller closes it.

    Raises NotProven when none does.
    """
    api = local_client()
    try:
        return _engine_for(api, api.version())
    except (*FAILURES, OSError) as error:
        api.close()
        raise NotProven(f"the engine at {socket_path()} stopped answering: {error}") from error


def _engine_for(api: docker.APIClient, version: Mapping[str, Any]) -> Docker:
    names = [part.get("Name") for part in version.get("Components") or ()]
    make = next((COMPONENTS[name] for name in names if name in COMPONENTS), Docker)
    return make(api)
