"""What a person can do about a push that failed.

Rule: the engine tells the cause in prose alone, so prose picks the advice; it never decides whether a push
succeeded. Each row was seen from Engine 20.10 or is a registry's documented answer.
"""

from __future__ import annotations

import re
from typing import Final

from cloison.model.text import printable_line
from cloison.publish.credentials import Login
from cloison.publish.image_reference import DOCKER_HUB, Reference

ErrorRule = tuple[str, str, str]
UNAUTHENTICATED: Final = r"no basic auth credentials|unauthorized|authentication required|incorrect username|\b401\b"
FORBIDDEN: Final = r"denied|forbidden|insufficient.scope|\b403\b"
NO_LOGIN: Final[ErrorRule] = (
    f"{UNAUTHENTICATED}|{FORBIDDEN}",
    "{host} wants a password",
    "run `{login}`, or give --username and --password-stdin",
)
ADVICE: Final[tuple[ErrorRule, ...]] = (
    (
        r"verification failed",
        "{host} holds other bytes than were pushed",
        "look who can change its storage, and do not use this image",
    ),
    (UNAUTHENTICATED, "{host} does not accept {user}", "check name and password, or run `{login}` again"),
    (r"quota|no space left|insufficient storage|\b507\b", "{host} has no room for it", "make room there"),
    (FORBIDDEN, "{host} does not let {user} write to {path}", "is the name right, and may this account push there?"),
    (r"toomanyrequests|too many requests|\b429\b", "{host} allows no more requests for now", "try again later"),
    (
        r"no such host|server misbehaving|name resolution",
        "the engine finds no host of this name",
        "check the spelling, and the engine's DNS",
    ),
    (
        r"connection refused|no route to host|network is unreachable",
        "nobody answers at {host}",
        "is the registry running, and is the port right?",
    ),
    (
        r"timeout|timed out|deadline exceeded",
        "{host} does not answer in time",
        "is a firewall or a proxy in between?",
    ),
    (
        r"HTTP response to HTTPS client",
        "{host} speaks plain HTTP",
        "give it a certificate, or name it in `insecure-registries` of the engine's daemon.json",
    ),
    (
        r"x509|certificate",
        "the engine does not trust the certificate of {host}",
        "put its CA into /etc/docker/certs.d/{host}/ca.crt of the engine's machine",
    ),
    (
        r"too large|\b413\b",
        "something in front of {host} limits the size of a request",
        "raise the limit there, e.g. nginx's client_max_body_size",
    ),
    (r"immutable|cannot be overwritten", "{host} does not let a tag be moved", "choose another tag than {tag}"),
    (r"name.invalid|invalid.*name", "{host} does not take the name {path}", "choose the name as it asks"),
    (
        r"name.unknown|name not known|repository.*(not found|does not exist)",
        "{host} has no repository {path}",
        "create it there first",
    ),
    (r"manifest.unknown", "{host} does not know what it was given", "its own log may say why"),
    (
        r"HTTP (404|405) response|\b40[45]\b",
        "no registry that takes images answers at {host}",
        "check host and port, and whether it is read-only",
    ),
    (r"\b5\d\d\b", "{host} failed", "its own log says why; a full disk is the usual cause"),
    (r"reset by peer|broken pipe|EOF", "{host} broke the connection off", "try again; its own log says why"),
)
DEFAULT_ADVICE: Final[ErrorRule] = ("", "{host} did not take it", "the words in brackets are the engine's")


def error_advice(message: str, target: Reference, login: Login) -> str:
    """Return what went wrong and what to do, around what the engine said."""
    rows = ADVICE if login.auth_config else (NO_LOGIN, *ADVICE)
    _, what, advice = next((row for row in rows if re.search(row[0], message, re.IGNORECASE)), DEFAULT_ADVICE)
    auth_config = {
        "host": target.host,
        "path": target.path,
        "tag": target.tag,
        "user": login.user or "the stored login",
        "login": "docker login" if target.host == DOCKER_HUB else f"docker login {target.host}",
    }
    return f"{what.format(**auth_config)} ({printable_line(message)}); {advice.format(**auth_config)}"
