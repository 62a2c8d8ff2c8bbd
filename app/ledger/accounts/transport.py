"""Whether a password of this page would cross a network in clear."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from flask import request

HOST_NAME: Final = re.compile(r"[a-z0-9.-]+")


def is_in_clear() -> bool:
    """Return whether this request came over plain HTTP and under a name that is not this machine's own.

    The name decides, because the address of a client on this machine is that of the engine's bridge.
    """
    return not request.is_secure and not _is_loopback(urlsplit(f"//{request.host}").hostname or "")


def https_command() -> str:
    """Return the command that gives HTTPS at this name, to be run where the stack is."""
    name = urlsplit(f"//{request.host}").hostname or ""
    return f"CLOISON_PUBLIC_URL=https://{name if HOST_NAME.fullmatch(name) else 'HOST'}:8443 make up"


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
