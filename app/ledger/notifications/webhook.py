"""Posts one message to a webhook, within a deadline.

Rules: a redirect is not followed, because its target was not checked. The response is not read beyond its status, and
a receiver that sends it byte by byte is cut off at the deadline. What went wrong is a sentence without the address,
which may be a secret.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from ledger.notifications import web_address
from ledger.notifications.formats import Post
from ledger.notifications.settings import NotifierSettings

USER_AGENT: Final = "cloison-ledger"


class DeliveryError(Exception):
    """The message was not accepted; the sentence says why, without a secret. `is_final`: it never will be."""

    def __init__(self, sentence: str, *, is_final: bool = False) -> None:
        super().__init__(sentence)
        self.is_final = is_final


def send(url: str, post: Post, settings: NotifierSettings) -> None:
    """Post to a webhook; DeliveryError unless it answers with a status of 200 to 299."""
    parts = web_address.parse(url)
    is_tls = parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    deadline = time.monotonic() + settings.timeout
    try:
        addresses = web_address.allowed_addresses(
            str(parts.hostname), port, settings.networks, database_host=settings.database_host
        )
        connected = _connect([(str(address), port) for address in addresses], deadline)
    except web_address.WebAddressError as error:
        raise DeliveryError(f"{error}.") from error
    except OSError as error:
        raise DeliveryError(f"no connection: {reason(error)}.") from error
    with _cut_off(connected, deadline):
        status = _exchange(connected, parts.hostname if is_tls else None, url, post)
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise DeliveryError(_status_sentence(status), is_final=status == HTTPStatus.GONE)


def reason(error: Exception) -> str:
    """Return what went wrong in the words of the system, never with what was sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "the answer is not one of HTTP" if isinstance(error, http.client.HTTPException) else type(error).__name__


def _connect(addresses: list[tuple[str, int]], deadline: float) -> socket.socket:
    for position, address in enumerate(addresses):
        left = max(0.1, deadline - time.monotonic()) / (len(addresses) - position)
        try:
            return socket.create_connection(address, left)
        except OSError:
            if position + 1 == len(addresses):
                raise
    raise OSError("the name has no address")


@contextmanager
def _cut_off(connected: socket.socket, deadline: float) -> Iterator[None]:
    """End a connection at the deadline: a time-out of a socket is for one read, and starts again with every byte."""
    is_late = threading.Event()

    def cut() -> None:
        is_late.set()
        try:
            connected.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the receiver was faster

    timer = threading.Timer(max(0.1, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise DeliveryError(f"{'no answer in time' if is_late.is_set() else reason(error)}.") from error
    finally:
        timer.cancel()
        connected.close()


def _exchange(connected: socket.socket, tls_name: str | None, url: str, post: Post) -> int:
    parts = web_address.parse(url)
    connection = http.client.HTTPConnection(parts.netloc)
    with _in_tls(connected, tls_name) as stream:
        connection.sock = stream
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": USER_AGENT, "Connection": "close", **post.headers}
        connection.request("POST", target, post.body, headers)
        return connection.getresponse().status


@contextmanager
def _in_tls(connected: socket.socket, tls_name: str | None) -> Iterator[socket.socket]:
    if tls_name is None:
        yield connected
        return
    # The raw socket stays open beside the TLS one, so that the deadline can shut it down during the handshake.
    with ssl.create_default_context().wrap_socket(connected.dup(), server_hostname=tls_name) as stream:
        yield stream


def _status_sentence(status: int) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"answered {status}: redirects are not followed; use the address that it leads to."
    return f"answered {status}."
