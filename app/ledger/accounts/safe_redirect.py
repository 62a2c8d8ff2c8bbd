"""Where a login leads to."""

from urllib.parse import urlsplit


def safe_path(path: str | None) -> str:
    """Return a path of this ledger, or the front page's for anything that could lead elsewhere.

    Browsers read a backslash as a slash and skip control characters, so both can hide the name of another host.
    """
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return "/"
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc else path
