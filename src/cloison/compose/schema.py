"""The types of the document that `docker compose config --format json` prints, limited to the fields that are used.

Input: a part of the decoded JSON document. Output: frozen msgspec structs.
Rule: every document that does not match these types raises a FileError with the position of the mismatch.
Source: https://github.com/compose-spec/compose-spec
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from cloison.errors import FileError

MAX_PORT: Final = 65535
MAX_REPLICAS: Final = 10_000
"""The largest accepted number of replicas; no host runs more: a Linux bridge has 1024 ports (BR_MAX_PORTS)."""
Key = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]+\Z")]
"""The names that Compose accepts for a service or a network: https://github.com/compose-spec/compose-spec"""
Text = Annotated[str, Meta(pattern=r"^[^\ud800-\udfff]*\Z")]
"""A text that UTF-8 can encode: a lone surrogate cannot be encoded."""
Count = Annotated[int, Meta(ge=0, le=MAX_REPLICAS)]


class PortForm(msgspec.Struct, frozen=True):
    """An entry of a service's `ports`."""

    target: Annotated[int, Meta(ge=1, le=MAX_PORT)]
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    published: Annotated[str, Meta(pattern=r"^([0-9]{1,5}(-[0-9]{1,5})?)?\Z")] | None = None
    host_ip: str | None = None


class DependencyForm(msgspec.Struct, frozen=True):
    """An entry of a service's `depends_on`."""

    condition: str = ""


class DeployForm(msgspec.Struct, frozen=True):
    """The `deploy` section of a service."""

    replicas: Count | None = None


class AttachmentForm(msgspec.Struct, frozen=True):
    """An entry of a service's `networks`."""

    gw_priority: int | None = None
    ipv4_address: Text | None = None
    ipv6_address: Text | None = None


Exposed = Annotated[str, Meta(pattern=r"^(?i:[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp|sctp))?)\Z")]


class ServiceForm(msgspec.Struct, frozen=True):
    """An entry of the top-level `services`."""

    networks: dict[Key, AttachmentForm | None] | None = None
    network_mode: Text | None = None
    ports: tuple[PortForm, ...] | None = None
    expose: tuple[Exposed, ...] | None = None
    deploy: DeployForm | None = None
    scale: Count | None = None
    depends_on: dict[str, DependencyForm] | None = None
    sysctls: dict[str, Any] | None = None


class PoolForm(msgspec.Struct, frozen=True):
    """An entry of `ipam.config`: one address pool."""

    subnet: Text | None = None


class IpamForm(msgspec.Struct, frozen=True):
    """The `ipam` section of a network."""

    config: tuple[PoolForm, ...] | None = None


class NetworkForm(msgspec.Struct, frozen=True):
    """An entry of the top-level `networks`."""

    name: Text | None = None
    internal: bool | None = None
    external: bool | None = None
    driver: Text | None = None
    driver_opts: dict[str, Any] | None = None
    enable_ipv6: bool | None = None
    ipam: IpamForm | None = None


class DocumentForm(msgspec.Struct, frozen=True):
    """The resolved document."""

    name: Key
    services: dict[Key, Any]
    networks: dict[Key, Any] | None = None


# msgspec 0.22 builds what it needs to know of a type when the type is first read, and two threads that do so at once
# crash the process. So it is built here, where one thread imports.
for _form in (ServiceForm, NetworkForm, DocumentForm):
    msgspec.json.Decoder(_form)

T = TypeVar("T")


def read(body: Any, shape: type[T], where: str) -> T:
    """Convert a part of the document to `shape`.

    Raises FileError with the position when the part does not match.
    """
    try:
        return msgspec.convert(body, shape)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise FileError(f"{where}: {error}; expected the output of `docker compose config --format json`") from error
