"""The risks of a compromised service that its Compose file shows: engine sockets, privileges, the host's namespaces.

Input: a `Service`. Output: the path of a key, the kind of the risk and a sentence.
Rule: kinds and sentences are those of a proof (`findings.container_risks`), which sees what the processes really hold.
A file does not say which user an image runs as: `could` is the word for what only root can do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cloison.compose.privileges import BindMount, DeclaredPrivileges
from cloison.compose.project import Service
from cloison.findings.container_privileges import ENGINE_SOCKETS, Capability
from cloison.findings.container_risks import CAPABILITY_USES, SENSITIVE, SHARING

EVERY_CAPABILITY: Final = "ALL"
AS_ROOT: Final = "holds every capability of the host, which is equivalent to root on the host"
VAR_RUN: Final = "/var/run"
RUN: Final = "/run"
"""`/var/run` is a link to it: https://refspecs.linuxfoundation.org/FHS_3.0/fhs/ch05s13.html"""
DeclaredRisk = tuple[str, str, str]


def declared_risks(service: Service) -> Iterator[DeclaredRisk]:
    """Yield the risks of a service that its file shows."""
    held, path = service.privileges, f"services.{service.name}"
    if held.privileged:
        yield f"{path}.privileged", "privileged", f"{service.name} {AS_ROOT}"
    elif EVERY_CAPABILITY in held.capabilities:
        yield f"{path}.cap_add", "privileged", f"{service.name} {AS_ROOT}"
    else:
        for kind, text in _capabilities(held):
            yield f"{path}.cap_add", kind, f"{service.name} {text}"
    for mount in held.mounts:
        for kind, text in _mounts(mount):
            yield f"{path}.volumes", kind, f"{service.name} {text}"
    for device in held.devices:
        yield f"{path}.devices", "devices", f"{service.name} has the host's device {device}"
    for namespace in held.host_namespaces:
        kind, text = SHARING[namespace]
        yield f"{path}.{namespace}", kind, f"{service.name} {text}"


def _capabilities(held: DeclaredPrivileges) -> Iterator[tuple[str, str]]:
    for capability, use in CAPABILITY_USES.items():
        has_effect = capability is not Capability.SYS_PTRACE or "pid" in held.host_namespaces
        if capability.name in held.capabilities and has_effect:
            yield use.what, f"could {use.able}: {capability.name} is added"


def _mounts(mount: BindMount) -> Iterator[tuple[str, str]]:
    source = RUN + mount.source.removeprefix(VAR_RUN) if _is_below(mount.source, VAR_RUN) else mount.source
    if sockets := [socket for socket in ENGINE_SOCKETS if _is_below(socket, source)]:
        where = "" if source in sockets else f", which is in its mount {mount.target}"
        yield "engine-socket", f"can use the engine's API, which is equivalent to root on the host: {sockets[0]}{where}"
    if mount.writable and source in SENSITIVE:
        yield (
            "host-directory",
            f"can write to a system directory of the host: {mount.source} is its mount {mount.target}",
        )


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
