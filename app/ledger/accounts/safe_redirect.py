"""Checks the target of the redirect after a login."""

from urllib.parse import urlsplit


def safe_path(path: str | None) -> str:
    """Return the path if it is one of this ledger, else that of the front page.

    Browsers treat a backslash as a slash and skip control characters (https://url.spec.whatwg.org), so both can hide
    the name of another host.
    """
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return "/"
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc else path
