"""What the pages ask the archive for, and what they say when it has no such thing."""

import json
from typing import Any, cast

from flask import abort, current_app, g

from ledger.archive.lines import ProjectLine, ProofLine
from ledger.archive.store import Archive


def archive() -> Archive:
    """Return where the proofs are kept."""
    return cast("Archive", current_app.extensions["archive"])


def the_project(name: str) -> ProjectLine:
    """Return a project's line, or 404."""
    for line in archive().projects(frozenset({name})):
        return line
    abort(404, f"There is no project {name}.")


def the_proof(project: str, digest: str) -> ProofLine:
    """Return a proof's line, or 404."""
    line = archive().line(project, digest)
    if line is None:
        abort(404, f"{project} has no proof {digest[:12]}… It may have been thinned out as a repeat.")
    return line


def the_body(project: str, digest: str) -> bytes:
    """Return the bytes of a proof, or 404."""
    body = archive().body(project, digest)
    if body is None:
        abort(404, f"{project} has no proof {digest[:12]}… It may have been thinned out as a repeat.")
    return body


def document(project: str, digest: str) -> dict[str, Any]:
    """Return a proof as its reader needs it; parsed once in a request, however many pieces are made of it."""
    read: dict[str, dict[str, Any]] = g.setdefault("documents", {})
    if digest not in read:
        read[digest] = json.loads(the_body(project, digest))
    return read[digest]
