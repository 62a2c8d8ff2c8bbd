"""Says for which part of a connection a judgement is true: over one version of IP only, over one protocol only.

Input: sets of (protocol, version of IP). Output: a `Scope`: words for a sentence, and a suffix for a cell.
Rule: a breach that exists over IPv6 alone or over UDP alone is named as such in every report. A version of IP in which
the source has no address is no restriction; `Records.protocol_versions` leaves it out.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

ProtocolVersion = tuple[str, int]
"""A protocol and a version of IP."""
ONLY: Final = " only"
COMMON: Final = frozenset({"tcp", 4})
MIXED: Final = "part"
"""The suffix of a scope that has no short name."""


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """The protocols and versions of IP for which a judgement is true; both texts are empty for all of them."""

    words: str = ""
    suffix: str = ""


FULL_SCOPE: Final = Scope()


def scope(
    covered: AbstractSet[ProtocolVersion],
    same_judgement: AbstractSet[ProtocolVersion],
    whole: AbstractSet[ProtocolVersion],
) -> Scope:
    """Return the scope of a part of a connection.

    `covered` is the part, `same_judgement` all flows of the connection with the judgement of the part, `whole` all of
    its flows. The words end in `only` where the rest of the connection has another judgement. Where it does not, it
    belongs to another entry, and TCP and IPv4 need no mention.
    """
    if not covered or covered == whole:
        return FULL_SCOPE
    protocols, versions = {protocol for protocol, _ in covered}, {version for _, version in covered}
    all_protocols, all_versions = {protocol for protocol, _ in whole}, {version for _, version in whole}
    only = ONLY if covered == same_judgement else ""
    if covered != {pair for pair in whole if pair[0] in protocols and pair[1] in versions}:
        return Scope(f" over {' and '.join(_pair_name(*pair) for pair in sorted(covered))}{only}", f"/{MIXED}")
    few = [*(protocols if protocols < all_protocols else ()), *(versions if versions < all_versions else ())]
    suffix = "".join(f"/{_suffix(item)}" for item in few)
    if not only and COMMON.issuperset(few):
        return Scope("", suffix)
    return Scope(f" over {' '.join(map(_name, few))}{only}", suffix)


def _pair_name(protocol: str, version: int) -> str:
    return f"{_name(protocol)} {_name(version)}"


def _name(item: str | int) -> str:
    return item.upper() if isinstance(item, str) else f"IPv{item}"


def _suffix(item: str | int) -> str:
    return item if isinstance(item, str) else f"v{item}"
