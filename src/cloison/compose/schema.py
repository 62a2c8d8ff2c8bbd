"""The parts of the document of `docker compose config --format json` that Cloison reads.

Input: the decoded JSON. Output: frozen structs, one for each part.
Rule: a document that does not fit is a FileError with its position, whatever is in it.
Source: https://github.com/compose-spec/compose-spec/blob/main/spec.md
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from cloison.errors import FileError

MAX_PORT: Final = 65535
MAX_REPLICAS: Final = 10_000
"""More than one machine can run: a Linux bridge has 1024 ports (BR_MAX_PORTS)."""
Key = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]+\Z")]
"""The name of a service or a network."""
Text = Annotated[str, Meta(pattern=r"^[^\ud800-\udfff]*\Z")]
"""Text that can be encoded: half of a surrogate pair cannot."""
Count = Annotated[int, Meta(ge=0, le=MAX_REPLICAS)]


class PortForm(msgspec.Struct, frozen=True):
    """A published port."""

    target: Annotated[int, Meta(ge=1, le=MAX_PORT)]
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    published: Annotated[str, Meta(pattern=r"^([0-9]{1,5}(-[0-9]{1,5})?)?\Z")] | None = None
    host_ip: str | None = None


class DependencyForm(msgspec.Struct, frozen=True):
    """A service that another one depends on, and the condition."""

    condition: str = ""


class DeployForm(msgspec.Struct, frozen=True):
    """The number of containers of a service."""

    replicas: Count | None = None


class AttachmentForm(msgspec.Struct, frozen=True):
    """A service on a network."""

    gw_priority: int | None = None
    ipv4_address: Text | None = None
    ipv6_address: Text | None = None


Exposed = Annotated[str, Meta(pattern=r"^(?i:[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp|sctp))?)\Z")]


class ServiceForm(msgspec.Struct, frozen=True):
    """A service."""

    networks: dict[Key, AttachmentForm | None] | None = None
    network_mode: Text | None = None
    ports: tuple[PortForm, ...] | None = None
    expose: tuple[Exposed, ...] | None = None
    deploy: DeployForm | None = None
    scale: Count | None = None
    depends_on: dict[str, DependencyForm] | None = None
    sysctls: dict[str, Any] | None = None


class PoolForm(msgspec.Struct, frozen=True):
    """A subnet of a network, in CIDR form."""

    subnet: Text | None = None


class IpamForm(msgspec.Struct, frozen=True):
    """The address management of a network."""

    config: tuple[PoolForm, ...] | None = None


class NetworkForm(msgspec.Struct, frozen=True):
    """A network."""

    name: Text | None = None
    internal: bool | None = None
    external: bool | None = None
    driver: Text | None = None
    driver_opts: dict[str, Any] | None = None
    enable_ipv6: bool | None = None
    ipam: IpamForm | None = None


class DocumentForm(msgspec.Struct, frozen=True):
    """The whole document."""

    name: Key
    services: dict[Key, Any]
    networks: dict[Key, Any] | None = None


T = TypeVar("T")


def read(body: Any, shape: type[T], where: str) -> T:
    """Convert a part of the document, which is at `where`, to `shape`.

    Raises FileError with its position when it does not fit.
    """
    try:
        return msgspec.convert(body, shape)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise FileError(f"{where}: {error}; is this what `docker compose config` prints?") from error
