"""The cause and the remedy of a failed push, by the engine's error message.

Input: the message, the target and the login. Output: one sentence.
Rule: the engine reports a cause only as text, so patterns choose the advice; they never decide whether a push
succeeded. Each row was seen from Engine 20.10 or is in a registry's documentation.
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
    "{host} requires a login",
    "run `{login}`, or use --username and --password-stdin",
)
ADVICE: Final[tuple[ErrorRule, ...]] = (
    (
        r"verification failed",
        "{host} stores other bytes than were pushed",
        "find out who can change its storage, and do not use this image",
    ),
    (UNAUTHENTICATED, "{host} does not accept {user}", "check the user name and the password, or run `{login}` again"),
    (r"quota|no space left|insufficient storage|\b507\b", "{host} has no space left for the image", "free space there"),
    (FORBIDDEN, "{host} does not let {user} write to {path}", "check the name, and that this account may push there"),
    (r"toomanyrequests|too many requests|\b429\b", "{host} allows no more requests for now", "try again later"),
    (
        r"no such host|server misbehaving|name resolution",
        "the engine cannot resolve {host}",
        "check the spelling, and the DNS of the engine's machine",
    ),
    (
        r"connection refused|no route to host|network is unreachable",
        "no server listens at {host}",
        "check that the registry runs, and the port",
    ),
    (
        r"timeout|timed out|deadline exceeded",
        "{host} does not answer in time",
        "check for a firewall or a proxy in between",
    ),
    (
        r"HTTP response to HTTPS client",
        "{host} speaks plain HTTP",
        "give it a certificate, or add it to `insecure-registries` of the engine's daemon.json",
    ),
    (
        r"x509|certificate",
        "the engine does not trust the certificate of {host}",
        "put its CA into /etc/docker/certs.d/{host}/ca.crt on the engine's machine",
    ),
    (
        r"too large|\b413\b",
        "a proxy in front of {host} limits the size of a request",
        "raise the limit there, e.g. nginx's client_max_body_size",
    ),
    (
        r"immutable|cannot be overwritten",
        "{host} does not allow a tag to be overwritten",
        "choose another tag than {tag}",
    ),
    (r"name.invalid|invalid.*name", "{host} does not accept the name {path}", "choose a name by its rules"),
    (
        r"name.unknown|name not known|repository.*(not found|does not exist)",
        "{host} has no repository {path}",
        "create it there first",
    ),
    (r"manifest.unknown", "{host} does not know the manifest that it received", "see its log"),
    (
        r"HTTP (404|405) response|\b40[45]\b",
        "no registry for images answers at {host}",
        "check host and port, and whether it is read-only",
    ),
    (r"\b5\d\d\b", "{host} failed", "see its log; a full disk is the usual cause"),
    (r"reset by peer|broken pipe|EOF", "{host} closed the connection", "try again, or see its log"),
)
DEFAULT_ADVICE: Final[ErrorRule] = (
    "",
    "{host} did not accept the image",
    "the text in brackets is the engine's message",
)


def error_advice(message: str, target: Reference, login: Login) -> str:
    """Return the cause, the engine's message in brackets, and the remedy, as one sentence."""
    rows = ADVICE if login.auth_config else (NO_LOGIN, *ADVICE)
    _, cause, remedy = next((row for row in rows if re.search(row[0], message, re.IGNORECASE)), DEFAULT_ADVICE)
    values = {
        "host": target.host,
        "path": target.path,
        "tag": target.tag,
        "user": login.user or "the stored login",
        "login": "docker login" if target.host == DOCKER_HUB else f"docker login {target.host}",
    }
    return f"{cause.format(**values)} ({printable_line(message)}); {remedy.format(**values)}"
