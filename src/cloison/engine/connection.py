"""Connections to the engine's API: over a Unix socket, TCP with or without TLS, or ssh.

Input: the environment and the docker contexts. Output: a client of the API.
Rule: the engine is the one that the `docker` command uses: DOCKER_HOST, else DOCKER_CONTEXT, else the current context
(https://docs.docker.com/engine/manage-resources/contexts/).
"""

from __future__ import annotations

import os
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
from cloison.linux.unix_socket import connect_unix, peer_credentials

API_TIMEOUT: Final = 20
"""Seconds that a request may take by default before the engine counts as stuck."""
UNIX: Final = "unix://"
FAILURES: Final = (DockerException, requests.RequestException)


class _Client(docker.APIClient):
    """A client that verifies the engine with the engine's own CA and never with REQUESTS_CA_BUNDLE."""

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return the settings of requests for a request; requests would prefer REQUESTS_CA_BUNDLE to `self.verify`."""
        return super().merge_environment_settings(url, proxies, stream, verify or self.verify, cert)


@dataclass(frozen=True, slots=True)
class EngineConnection:
    """A client of an engine that answers, and the address at which it does."""

    api: docker.APIClient
    address: str

    @property
    def socket(self) -> str:
        """The path of its Unix socket on this machine, empty when it has none here."""
        return self.address.removeprefix(UNIX) if self.address.startswith(UNIX) else ""

    def is_local(self) -> bool:
        """Whether the engine's containers are processes of this machine, with the same process IDs.

        They are not when the socket is forwarded into a virtual machine, when this process runs in a container
        with a PID namespace of its own, or when the engine is rootless.
        Raises NotProven when the engine stops answering.
        """
        if not self.socket or sys.platform != "linux":
            return False
        listener = peer_credentials(self.socket, API_TIMEOUT)
        try:
            kernel = self.api.version().get("KernelVersion")
        except FAILURES as error:
            raise NotProven(f"the Docker engine at {self.address} stopped answering: {error}") from error
        return listener.pid != 0 and listener.uid == 0 and kernel == os.uname().release


@contextmanager
def engine_connection(seconds: int | None = None) -> Iterator[EngineConnection]:
    """Open a connection to the engine, local or remote; a request may take `seconds`, by default API_TIMEOUT.

    Raises NotProven when no engine answers.
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
    """Return the path of the engine's Unix socket on this machine, empty when it has none here.

    Raises NotProven when the selected docker context cannot be used.
    """
    address = str(_client_config()["base_url"])
    return address.removeprefix(UNIX) if address.startswith(UNIX) else ""


def _client_config() -> Mapping[str, Any]:
    """Return the arguments of the client: address and TLS.

    Raises NotProven when the selected docker context cannot be used.
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
    """Return a client that uses the engine's own version of the API.

    The socket is connected once by hand first, because the library leaves it open when no engine answers.

    Raises NotProven when no engine answers, or this user may not use it.
    """
    try:
        if str(client_config["base_url"]).startswith(UNIX):
            connect_unix(str(client_config["base_url"]).removeprefix(UNIX), API_TIMEOUT).close()
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
