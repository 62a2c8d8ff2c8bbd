"""The names by which engines let a container find their own machine.

Rule: these names are written here, because only this package and `engine` name engines.
Sources: https://docs.docker.com/desktop/features/networking/,
https://docs.podman.io/en/latest/markdown/podman-run.1.html (host.containers.internal)
"""

from __future__ import annotations

from typing import Final

ENGINE_HOST_NAMES: Final = frozenset({"host.docker.internal", "gateway.docker.internal", "host.containers.internal"})
