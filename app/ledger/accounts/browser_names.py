"""The name of a browser for the list of sessions, from its User-Agent header: "Firefox on Linux".

Rule: a row of a table is a mark in the header and the name that people know; the first row that matches counts,
because a browser names those that it resembles too (https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/User-Agent).
The header is the client's own claim: the name helps an owner to tell sessions apart, and decides about nothing.
"""

from collections.abc import Mapping
from typing import Final

BROWSERS: Final[Mapping[str, str]] = {
    "Edg/": "Edge",
    "EdgA/": "Edge",
    "EdgiOS/": "Edge",
    "OPR/": "Opera",
    "Vivaldi/": "Vivaldi",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
    "curl/": "curl",
}
SYSTEMS: Final[Mapping[str, str]] = {
    "iPhone": "an iPhone",
    "iPad": "an iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Macintosh": "macOS",
    "Linux": "Linux",
    "FreeBSD": "FreeBSD",
}


def browser_name(user_agent: str) -> str:
    """Return the name of a browser and its system; "unknown browser" when no row matches."""
    browser = next((name for mark, name in BROWSERS.items() if mark in user_agent), "unknown browser")
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser
