"""Which engine is meant, and the way to it: a socket of this machine, TCP with or without TLS, or ssh.

Rule: it is the engine that `docker` itself would use: DOCKER_HOST, else DOCKER_CONTEXT, else the current context.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import docker
import requests
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from cloison import causes
from cloison.engine.ssh_tunnel import SSH, Tunnel
from cloison.errors import NotProven

SECONDS: Final = 20
"""How long one question may take before the engine counts as stuck, unless it is told otherwise."""
UNIX: Final = "unix://"
FAILURES: Final = (DockerException, requests.RequestException)


class _Client(docker.APIClient):
    """A client that trusts the engine's own authority, and not the one that REQUESTS_CA_BUNDLE names for the web."""

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return what requests makes of the environment; it would put its bundle before the session's."""
        return super().merge_environment_settings(url, proxies, stream, verify or self.verify, cert)


@dataclass(frozen=True, slots=True)
class Reached:
    """An engine that answers."""

    api: docker.APIClient
    address: str

    @property
    def socket(self) -> str:
        """The path of its socket on this machine, empty when it has none here."""
        return self.address.removeprefix(UNIX) if self.address.startswith(UNIX) else ""

    def is_here(self) -> bool:
        """Whether the engine's containers are processes of this machine, whose numbers mean the same to us.

        They are not when the socket leads into a virtual machine, when we live in a container that does
        not see the processes of its host, or when somebody without root runs the engine in namespaces of his own.
        Raises NotProven when the engine stops answering.
        """
        if not self.socket or sys.platform != "linux":
            return False
        with _called(self.socket) as line:
            peer, owner, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        try:
            # A listener that our /proc does not have is numbered 0.
            return peer != 0 and owner == 0 and self.api.version().get("KernelVersion") == os.uname().release
        except FAILURES as error:
            raise NotProven(f"the Docker engine at {self.address} stopped answering: {error}") from error


@contextmanager
def reached(seconds: int | None = None) -> Iterator[Reached]:
    """Have a connection to the engine, wherever it is; a question may take `seconds`, or else SECONDS.

    Raises NotProven when none answers.
    """
    place = _place()
    address = str(place["base_url"])
    with ExitStack() as stack:
        tunnel = stack.enter_context(Tunnel(address)) if address.startswith(SSH) else None
        try:
            api = _client({**place, "base_url": tunnel.address} if tunnel else place, address, seconds or SECONDS)
        except NotProven as error:
            if not (tunnel and (said := tunnel.said())):
                raise
            raise NotProven(f"no Docker engine answers at {address}: {said}") from error
        stack.callback(api.close)
        yield Reached(api, address)


def connected() -> docker.APIClient:
    """Return a client of an engine on this machine; the caller closes it.

    Raises NotProven when none answers.
    """
    place = _place()
    return _client(place, str(place["base_url"]), SECONDS)


def socket_path() -> str:
    """Return the path of the engine's socket on this machine, empty when it has none here.

    Raises NotProven when the context that is asked for says nothing.
    """
    address = str(_place()["base_url"])
    return address.removeprefix(UNIX) if address.startswith(UNIX) else ""


def _place() -> Mapping[str, Any]:
    """Return how the library is to connect.

    Raises NotProven when the context that is asked for says nothing.
    """
    if os.environ.get("DOCKER_HOST"):
        return kwargs_from_env()
    try:
        place = ContextAPI.kwargs_from_context()
    except DockerException as error:
        raise NotProven(f"the current docker context cannot be read: {error}; see `docker context ls`") from error
    if not place:
        named = os.environ.get("DOCKER_CONTEXT") or "that is current"
        raise NotProven(
            f"docker has no context {named}, or it names no engine, or there is no config.json beside its contexts; "
            "see `docker context ls`"
        )
    return place


def _client(place: Mapping[str, Any], address: str, seconds: int) -> docker.APIClient:
    """Return a client that speaks the engine's own version of the API.

    The library's own way leaves a socket open when nobody answers, hence the try by hand.
    """
    try:
        if str(place["base_url"]).startswith(UNIX):
            _called(str(place["base_url"]).removeprefix(UNIX)).close()
        return _Client(**place, version="auto", timeout=seconds)
    except FAILURES as error:
        if not (said := causes.of_the_system(error)):
            raise NotProven(f"the Docker engine at {address} does not answer: {error}") from error
        raise NotProven(f"no Docker engine answers at {address}: {said}. Is it running?") from error
    except PermissionError as error:
        raise NotProven(
            f"this user may not ask the Docker engine at {address}; run it again with sudo, or as a member of "
            "the group that owns the socket (usually docker)"
        ) from error
    except OSError as error:
        raise NotProven(f"no Docker engine answers at {address}: {error.strerror or error}. Is it running?") from error


def _called(path: str) -> socket.socket:
    """Return a connection to a socket of this machine; one whose owner accepts nobody any more is not waited for.

    Raises OSError when nobody accepts.
    """
    line = socket.socket(socket.AF_UNIX)
    try:
        line.settimeout(SECONDS)
        line.connect(path)
    except BaseException:
        line.close()
        raise
    return line
