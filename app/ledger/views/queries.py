"""Queries of the pages to the archive; an unknown project or proof becomes a 404."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec
from flask import abort, current_app, g

from ledger.archive.records import ProjectRecord, ProofRecord
from ledger.archive.store import Archive

Found = TypeVar("Found")


def archive() -> Archive:
    """Return the archive."""
    return cast("Archive", current_app.extensions["archive"])


def project_or_404(name: str) -> ProjectRecord:
    """Return a project's record; abort with 404 when there is none."""
    records = archive().projects(frozenset({name}))
    if not records:
        abort(404, f"There is no project {name}.")
    return records[0]


def proof_or_404(project: str, digest: str) -> ProofRecord:
    """Return a proof's record; abort with 404 when there is none."""
    return _or_404(archive().record, project, digest)


def proof_by_prefix(project: str, prefix: str) -> ProofRecord:
    """Return the record of the one proof whose digest begins so; abort with 404 when there is none, or several."""
    found = _or_404(archive().digests, project, prefix)
    if len(found) > 1:
        abort(404, f"{project} has several proofs {prefix}…; add more of the digest.")
    return proof_or_404(project, found[0] if found else prefix)


def body_or_404(project: str, digest: str) -> bytes:
    """Return the bytes of a proof; abort with 404 when there is none."""
    return _or_404(archive().body, project, digest)


def _or_404(ask: Callable[[str, str], Found | None], project: str, digest: str) -> Found:
    try:
        found = ask(project, digest)
    except LookupError as error:  # an administrator may request any name
        abort(404, str(error))
    if found is None:
        abort(404, f"{project} has no proof {digest[:12]}… It may have been deleted as a repeat.")
    return found


def document(project: str, digest: str) -> dict[str, Any]:
    """Return the decoded document of a proof, decoded once for each request."""
    read: dict[str, dict[str, Any]] = g.setdefault("documents", {})
    if digest not in read:
        read[digest] = msgspec.json.decode(body_or_404(project, digest))
    return read[digest]
