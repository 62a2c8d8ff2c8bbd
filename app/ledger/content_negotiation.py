"""Which of the two forms a client would rather have."""

from flask import request


def prefers_json() -> bool:
    """Tell whether JSON was asked for: by Accept, by a path that ends in .json or is the API's; a browser gets HTML."""
    if request.path.endswith(".json") or request.path.startswith("/api/"):
        return True
    accept = request.accept_mimetypes
    return accept["application/json"] > accept["text/html"]
