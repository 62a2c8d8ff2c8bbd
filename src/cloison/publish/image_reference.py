"""Names of images in registries, read as Docker reads them.

Rule: the grammar is https://github.com/distribution/reference, tightened where a push could only fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cloison.errors import UsageError

HUB: Final = "docker.io"
HUB_ALIASES: Final = ("index.docker.io", "registry-1.docker.io", "hub.docker.com")
LATEST: Final = "latest"
LONGEST: Final = 255
LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
HOST: Final = re.compile(rf"(?:{LABEL}(?:\.{LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
PATH: Final = re.compile(rf"{PART}(?:/{PART})*")
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

    def at(self, digest: str) -> str:
        """Return the name that cannot be moved."""
        return f"{self.repository}@{digest}"


def reference(text: str) -> Reference:
    """Read `[HOST[:PORT]/]PATH[:TAG]`.

    Raises UsageError with the part that is wrong.
    """
    if "@" in text or "://" in text:
        raise UsageError(f"{text}: write IMAGE[:TAG] without scheme and digest; the registry's digest is the result")
    host, rest = _split(text)
    path, colon, tag = rest.partition(":")
    if path != path.lower():
        raise UsageError(f"{text}: a repository's name has no capital letters; write {path.lower()}")
    if not PATH.fullmatch(path) or len(f"{host}/{path}") > LONGEST:
        raise UsageError(f'{text}: "{path}" is no repository name; lower-case letters, digits and . _ - / make one')
    if colon and not TAG.fullmatch(tag):
        raise UsageError(
            f'{text}: "{tag}" is no tag; up to 128 letters, digits and . _ - make one, the first no . or -'
        )
    if host == HUB and "/" not in path:
        raise UsageError(f"{text}: Docker Hub keeps images under a user or an organisation; write YOU/{rest}")
    return Reference(host, path, tag or LATEST)


def _split(text: str) -> tuple[str, str]:
    """Return the registry's host and the rest; a first part without dot, port or `localhost` is Docker Hub's."""
    first, slash, rest = text.partition("/")
    if not slash or not (first == "localhost" or set(first) & set(".:")):
        return HUB, text
    if not HOST.fullmatch(first):
        raise UsageError(f'{text}: "{first}" is no registry; write HOST or HOST:PORT before the first slash')
    return HUB if first in HUB_ALIASES else first, rest
