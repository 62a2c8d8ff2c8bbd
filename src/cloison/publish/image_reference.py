"""Names of images in registries, read as Docker reads them.

Rule: the grammar is https://github.com/distribution/reference, tightened where a push could only fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cloison.errors import UsageError

DOCKER_HUB: Final = "docker.io"
DOCKER_HUB_ALIASES: Final = ("index.docker.io", "registry-1.docker.io", "hub.docker.com")
DEFAULT_TAG: Final = "latest"
MAX_NAME_LENGTH: Final = 255
DOMAIN_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
HOST: Final = re.compile(rf"(?:{DOMAIN_LABEL}(?:\.{DOMAIN_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
PATH_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
PATH: Final = re.compile(rf"{PATH_COMPONENT}(?:/{PATH_COMPONENT})*")
TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Reference:
    """One tag of one repository of one registry."""

    host: str
    path: str
    tag: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def repository(self) -> str:
        """The repository with its registry."""
        return f"{self.host}/{self.path}"

    def with_digest(self, digest: str) -> str:
        """Return the name that cannot be moved."""
        return f"{self.repository}@{digest}"


def parse_reference(text: str) -> Reference:
    """Read `[HOST[:PORT]/]PATH[:TAG]`.

    Raises UsageError with the part that is wrong.
    """
    if "@" in text or "://" in text:
        raise UsageError(f"{text}: write IMAGE[:TAG] without scheme and digest; the registry's digest is the result")
    host, rest = _split_registry(text)
    path, colon, tag = rest.partition(":")
    if path != path.lower():
        raise UsageError(f"{text}: a repository's name has no capital letters; write {path.lower()}")
    if not PATH.fullmatch(path) or len(f"{host}/{path}") > MAX_NAME_LENGTH:
        raise UsageError(f'{text}: "{path}" is no repository name; lower-case letters, digits and . _ - / make one')
    if colon and not TAG.fullmatch(tag):
        raise UsageError(
            f'{text}: "{tag}" is no tag; up to 128 letters, digits and . _ - make one, the first no . or -'
        )
    if host == DOCKER_HUB and "/" not in path:
        raise UsageError(f"{text}: Docker Hub keeps images under a user or an organisation; write YOU/{rest}")
    return Reference(host, path, tag or DEFAULT_TAG)


def _split_registry(text: str) -> tuple[str, str]:
    """Return the registry's host and the rest; a first part without dot, port or `localhost` is Docker Hub's."""
    first, slash, rest = text.partition("/")
    if not slash or not (first == "localhost" or set(first) & set(".:")):
        return DOCKER_HUB, text
    if not HOST.fullmatch(first):
        raise UsageError(f'{text}: "{first}" is no registry; write HOST or HOST:PORT before the first slash')
    return DOCKER_HUB if first in DOCKER_HUB_ALIASES else first, rest
