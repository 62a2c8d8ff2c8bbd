"""Addresses of webhooks: which are valid, how they are shown, and which hosts may be reached.

Rules against requests to services that are not meant (SSRF, CWE-918):
- Only http and https, and only addresses that are public, or in a network that the operator allows
  (LEDGER_NOTIFY_NETWORKS). Whoever may add a channel must not reach the database, the application, the machine's own
  services or a cloud's metadata through it.
- A name is resolved once. The connection goes to an address that was checked, so that a second answer of the name's
  server cannot differ from the first.
- An IPv6 address that carries an IPv4 address (mapped, 6to4, Teredo, NAT64) counts as both.
"""

import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from ledger.notifications.settings import Network

MAX_LENGTH: Final = 2000
NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
IPAddress = IPv4Address | IPv6Address


class WebAddressError(ValueError):
    """The address is not valid or not allowed; the message says why, without the address."""


def parse(given: str) -> SplitResult:
    """Return the parts of a webhook's address; WebAddressError when it is none."""
    # A space or a line break in a request line would begin a second request (CWE-93).
    if len(given) > MAX_LENGTH or not given.isascii() or any(letter <= " " or letter == "\x7f" for letter in given):
        raise WebAddressError(f"An address has at most {MAX_LENGTH} printable ASCII characters, without spaces.")
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError as error:
        raise WebAddressError("This is not an address of the web.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise WebAddressError("An address begins with https:// or http:// and names a host.")
    if parts.username is not None or parts.password is not None:
        raise WebAddressError("A name and password cannot be part of the address.")
    return parts


def shown(given: str) -> str:
    """Return an address for people: without path and query, which are the secret of many services."""
    try:
        parts = parse(given)
    except WebAddressError:
        return "…"
    return f"{parts.scheme}://{parts.netloc}/…"


def allowed_addresses(host: str, port: int, networks: Iterable[Network], *, database_host: str = "") -> list[IPAddress]:
    """Return the addresses of a host, after checking them; WebAddressError when one may not be reached."""
    addresses = _resolve(host, port)
    if not addresses:
        raise WebAddressError("the name has no address")
    allowed = tuple(networks)
    for address in addresses:
        if not is_allowed(address, allowed):
            raise WebAddressError("the host has a private address that LEDGER_NOTIFY_NETWORKS does not allow")
    # An operator may allow a wide network that the database is in, too.
    private = [address for address in addresses if not address.is_global]
    if database_host and private and not set(private).isdisjoint(_resolve(database_host, port)):
        raise WebAddressError("the host is the ledger's database")
    return addresses


def _resolve(host: str, port: int) -> list[IPAddress]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    return list(dict.fromkeys(getattr(address, "ipv4_mapped", None) or address for address in addresses))


def is_allowed(address: IPAddress, networks: Iterable[Network]) -> bool:
    """Return whether an address is public, or in one of the networks; an address within an address must be, too."""
    allowed = tuple(networks)
    return all(
        (part.is_global and not part.is_multicast) or any(part in network for network in allowed)
        for part in _parts(address)
    )


def _parts(address: IPAddress) -> Iterator[IPAddress]:
    if isinstance(address, IPv4Address):
        yield address
        return
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    found = [part for part in inner if part is not None]
    yield from found
    if address.ipv4_mapped is None:
        yield address
