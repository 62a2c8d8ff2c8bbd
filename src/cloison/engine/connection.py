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

from cloison import errors
from cloison.engine.ssh_tunnel import SSH, Tunnel
from cloison.errors import NotProven

API_TIMEOUT: Final = 20
"""How long one question may take before the engine counts as stuck, unless it is told otherwise."""
UNIX: Final = "unix://"
FAILURES: Final = (DockerException, requests.RequestException)


class _Client(docker.APIClient):
    """A client that trusts the engine's own authority, and not the one that REQUESTS_CA_BUNDLE names for the web."""

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return what requests makes of the environment; it would put its bundle before the session's."""
        return super().merge_environment_settings(url, proxies, stream, verify or self.verify, cert)


@dataclass(frozen=True, slots=True)
class EngineConnection:
    """An engine that answers."""

    api: docker.APIClient
    address: str

    @property
    def socket(self) -> str:
        """The path of its socket on this machine, empty when it has none here."""
        return self.address.removeprefix(UNIX) if self.address.startswith(UNIX) else ""

    def is_local(self) -> bool:
        """Whether the engine's containers are processes of this machine, whose numbers mean the same to us.

        They are not when the socket leads into a virtual machine, when we live in a container that does
        not see the processes of its host, or when somebody without root runs the engine in namespaces of his own.
        Raises NotProven when the engine stops answering.
        """
        if not self.socket or sys.platform != "linux":
            return False
        with _connect_unix(self.socket) as sock:
            peer, owner, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        try:
            # A listener that our /proc does not have is numbered 0.
            return peer != 0 and owner == 0 and self.api.version().get("KernelVersion") == os.uname().release
        except FAILURES as error:
            raise NotProven(f"the Docker engine at {self.address} stopped answering: {error}") from error


@contextmanager
def engine_connection(seconds: int | None = None) -> Iterator[EngineConnection]:
    """Have a connection to the engine, wherever it is; a question may take `seconds`, or else SECONDS.

    Raises NotProven when none answers.
    """
    client_config = _client_config()
    address = str(client_config["base_url"])
    with ExitStack() as stack:
        tunnel = stack.enter_context(Tunnel(address)) if address.startswith(SSH) else None
        try:
            api = _client(
                {**client_config, "base_url": tunnel.address} if tunnel else client_config,
                address,
                seconds or API_TIMEOUT,
            )
        except NotProven as error:
            if not (tunnel and (detail := tunnel.last_error())):
                raise
            raise NotProven(f"no Docker engine answers at {address}: {detail}") from error
        stack.callback(api.close)
        yield EngineConnection(api, address)


def local_client() -> docker.APIClient:
    """Return a client of an engine on this machine; the caller closes it.

    Raises NotProven when none answers.
    """
    client_config = _client_config()
    return _client(client_config, str(client_config["base_url"]), API_TIMEOUT)


def socket_path() -> str:
    """Return the path of the engine's socket on this machine, empty when it has none here.

    Raises NotProven when the context that is asked for says nothing.
    """
    address = str(_client_config()["base_url"])
    return address.removeprefix(UNIX) if address.startswith(UNIX) else ""


def _client_config() -> Mapping[str, Any]:
    """Return how the library is to connect.

    Raises NotProven when the context that is asked for says nothing.
    """
    if os.environ.get("DOCKER_HOST"):
        return kwargs_from_env()
    try:
        client_config = ContextAPI.kwargs_from_context()
    except DockerException as error:
        raise NotProven(f"the current docker context cannot be read: {error}; see `docker context ls`") from error
    if not client_config:
        named = os.environ.get("DOCKER_CONTEXT") or "that is current"
        raise NotProven(
            f"docker has no context {named}, or it names no engine, or there is no config.json beside its contexts; "
            "see `docker context ls`"
        )
    return client_config


def _client(client_config: Mapping[str, Any], address: str, seconds: int) -> docker.APIClient:
    """Return a client that speaks the engine's own version of the API.

    The library's own way leaves a socket open when nobody answers, hence the try by hand.
    """
    try:
        if str(client_config["base_url"]).startswith(UNIX):
            _connect_unix(str(client_config["base_url"]).removeprefix(UNIX)).close()
        return _Client(**client_config, version="auto", timeout=seconds)
    except FAILURES as error:
        if not (detail := errors.system_error_text(error)):
            raise NotProven(f"the Docker engine at {address} does not answer: {error}") from error
        raise NotProven(f"no Docker engine answers at {address}: {detail}. Is it running?") from error
    except PermissionError as error:
        raise NotProven(
            f"this user may not ask the Docker engine at {address}; run it again with sudo, or as a member of "
            "the group that owns the socket (usually docker)"
        ) from error
    except OSError as error:
        raise NotProven(f"no Docker engine answers at {address}: {error.strerror or error}. Is it running?") from error


def _connect_unix(path: str) -> socket.socket:
    """Return a connection to a socket of this machine; one whose owner accepts nobody any more is not waited for.

    Raises OSError when nobody accepts.
    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(API_TIMEOUT)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock
