"""What a Compose file asks for a service beyond an isolated container: capabilities, mounts, devices, namespaces.

Input: the service in the resolved document. Output: `DeclaredPrivileges`.
Rule: only what the file says. The defaults of the engine, the image's user and the host's files are not known here.
Source: https://docs.docker.com/reference/compose-file/services/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from cloison.compose.schema import Text, read

HOST_NAMESPACE: Final = "host"
BIND: Final = "bind"
DOCKER_SOCKET: Final = "/run/docker.sock"
"""What `use_api_socket` mounts: https://docs.docker.com/reference/compose-file/services/#use_api_socket"""


class VolumeForm(msgspec.Struct, frozen=True):
    """An entry of a service's `volumes`."""

    type: Text = ""
    source: Text | None = None
    target: Text = ""
    read_only: bool | None = None


class NamedVolumeForm(msgspec.Struct, frozen=True):
    """An entry of the top-level `volumes`; the local driver mounts a path of the host with `o: bind`."""

    driver_opts: dict[str, Any] | None = None


class DeviceForm(msgspec.Struct, frozen=True):
    """An entry of a service's `devices`; before Compose 2.23 it is a string."""

    source: Text = ""


class PrivilegesForm(msgspec.Struct, frozen=True):
    """The members of an entry of `services` that are read here."""

    privileged: bool | None = None
    cap_add: tuple[Text, ...] | None = None
    volumes: tuple[VolumeForm, ...] | None = None
    devices: tuple[DeviceForm | str, ...] | None = None
    use_api_socket: bool | None = None
    pid: Text | None = None
    ipc: Text | None = None
    uts: Text | None = None


for _form in (PrivilegesForm, NamedVolumeForm):
    msgspec.json.Decoder(_form)  # built where one thread imports, see `schema`


@dataclass(frozen=True, slots=True)
class BindMount:
    """A path of the host that the file mounts."""

    source: str
    target: str
    writable: bool


@dataclass(frozen=True, slots=True)
class DeclaredPrivileges:
    """The privileges of a service by its file."""

    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    """Names without the prefix `CAP_`."""
    mounts: tuple[BindMount, ...] = ()
    devices: tuple[str, ...] = ()
    host_namespaces: tuple[str, ...] = ()
    """The kinds of namespaces that it shares with the host, by their keys: pid, ipc, uts."""


def declared_privileges(where: str, body: Any, volumes: Mapping[str, Any]) -> DeclaredPrivileges:
    """Return the privileges of a service's entry in the document; `where` is its path.

    `volumes` are the top-level ones. Raises FileError when an entry does not match the Compose specification.
    """
    form = read(body, PrivilegesForm, where)
    return DeclaredPrivileges(
        bool(form.privileged),
        tuple(sorted({name.upper().removeprefix("CAP_") for name in form.cap_add or ()})),
        tuple(_bind_mounts(form, volumes)),
        tuple(_device(device) for device in form.devices or ()),
        tuple(key for key in ("pid", "ipc", "uts") if getattr(form, key) == HOST_NAMESPACE),
    )


def _bind_mounts(form: PrivilegesForm, volumes: Mapping[str, Any]) -> Iterator[BindMount]:
    if form.use_api_socket:
        yield BindMount(DOCKER_SOCKET, DOCKER_SOCKET, writable=True)
    for volume in form.volumes or ():
        source = volume.source if volume.type == BIND else _bound_path(volume, volumes)
        if source:
            yield BindMount(source.rstrip("/") or "/", volume.target, not volume.read_only)


def _bound_path(volume: VolumeForm, volumes: Mapping[str, Any]) -> str:
    """Return the path of the host that a named volume is bound to, empty for others."""
    form = read(volumes.get(volume.source or "") or {}, NamedVolumeForm, f"volumes.{volume.source}")
    options = form.driver_opts or {}
    return str(options.get("device", "")) if "bind" in str(options.get("o", "")).split(",") else ""


def _device(device: DeviceForm | str) -> str:
    return device.partition(":")[0] if isinstance(device, str) else device.source
