"""Content negotiation: JSON or HTML (RFC 9110, 12)."""

from flask import request


def prefers_json() -> bool:
    """Return whether the client prefers JSON: by its Accept header, a path of the API or the suffix .json."""
    if request.path.endswith(".json") or request.path.startswith("/api/"):
        return True
    accept = request.accept_mimetypes
    return accept["application/json"] > accept["text/html"]
