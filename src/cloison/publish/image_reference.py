"""Names of images in registries, parsed as Docker parses them.

Input: `[HOST[:PORT]/]PATH[:TAG]`. Output: a `Reference`. Rule: the grammar is
https://github.com/distribution/reference, and names that a registry would reject anyway are errors here.
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
    """A tag of a repository in a registry."""

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
        """Return the name by digest, which always names the same image."""
        return f"{self.repository}@{digest}"


def parse_reference(text: str) -> Reference:
    """Parse `[HOST[:PORT]/]PATH[:TAG]`.

    Raises UsageError that names the wrong part.
    """
    if "@" in text or "://" in text:
        raise UsageError(f"{text}: write IMAGE[:TAG] without scheme and digest; the digest is printed after the push")
    host, rest = _split_registry(text)
    path, colon, tag = rest.partition(":")
    if path != path.lower():
        raise UsageError(f"{text}: a repository's name has no capital letters; write {path.lower()}")
    if not PATH.fullmatch(path) or len(f"{host}/{path}") > MAX_NAME_LENGTH:
        raise UsageError(f'{text}: "{path}" is not a repository name; use lower-case letters, digits and . _ - /')
    if colon and not TAG.fullmatch(tag):
        raise UsageError(
            f'{text}: "{tag}" is not a tag; use up to 128 letters, digits and . _ -, without . or - at the beginning'
        )
    if host == DOCKER_HUB and "/" not in path:
        raise UsageError(f"{text}: Docker Hub stores images under a user or an organisation; write YOU/{rest}")
    return Reference(host, path, tag or DEFAULT_TAG)


def _split_registry(text: str) -> tuple[str, str]:
    """Return the registry's host and the rest; without dot and port it is Docker Hub's, except `localhost`."""
    first, slash, rest = text.partition("/")
    if not slash or not (first == "localhost" or set(first) & set(".:")):
        return DOCKER_HUB, text
    if not HOST.fullmatch(first):
        raise UsageError(f'{text}: "{first}" is not a registry; write HOST or HOST:PORT before the first slash')
    return DOCKER_HUB if first in DOCKER_HUB_ALIASES else first, rest
