"""The words of Cloison that a page explains at its end; docs/glossary.md has all of them.

Output: markup.
Rule: a page explains a word where it is used, because it links to nothing outside of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from cloison_view.markup import render_template

WORDS: Final[Mapping[str, str]] = {
    "place": "a service, the host, the outside, or a container of another project",
    "host": "the machine on which the engine runs",
    "outside": "any other machine: the local network and the internet",
    "foreign container": "a container on a network of the project that is not in the Compose file",
    "flow": "one question of a proof: from one container to one address and port",
    "connection": "the flows between two places at one port, over every address and both versions of IP",
    "intended": "what the policy wants, or the file where it has no policy",
    "predicted": "what the file and the engine's rules let expect",
    "observed": "what the probes of the proof showed",
    "breach": "a connection that should be closed and is open",
    "broken": "a connection that is needed and does not answer",
    "unknown": "a connection of which the proof could not see whether it is open; it never counts as closed",
    "toleration": "a line of the policy that accepts an open connection, with its reason",
    "drift": "observed and predicted differ: something other than the file decides, such as a firewall rule",
    "control": "a probe whose answer is known; where it fails, the other probes from there prove nothing",
    "evidence": "what was seen, with the address",
}
"""The words in the order in which a reader meets them."""


def words() -> Markup:
    """Return the list of words, closed until a reader opens it."""
    return render_template("words.html", words=WORDS)
