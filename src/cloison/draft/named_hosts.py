"""Finds the hosts that environment variables and commands name: `DATABASE_URL=…@db:5432`, `REDIS_HOST=redis`.

Input: the environment and the command of a service. Output: a `NamedHost` for each host, with its port where one
stands beside it. Rule: only the name of the variable is passed on, never its value, which may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from cloison.compose.schema import MAX_PORT
from cloison.draft.usual_ports import scheme_port

URL: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^\s/]*@)?(?P<hosts>[^\s/?#\"';)]+)")
HOST_AND_PORT: Final = re.compile(
    r"(?:^|[@(=,;\s\"'\[])(?P<host>[A-Za-z0-9][A-Za-z0-9_.-]*):(?P<port>[0-9]{1,5})(?![\w.:-])"
)
BARE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
HOST_VARIABLE: Final = re.compile(r"HOST|SERVER|ADDR|URL|URI|ENDPOINT|BROKER|NODE|UPSTREAM|BACKEND", re.IGNORECASE)
"""Words in the name of a variable whose whole value is a host."""
HOST_ENDING: Final = re.compile(r"HOST(NAME)?$|ADDR(ESS)?$|SERVER$|URL$|URI$|ENDPOINT$", re.IGNORECASE)
"""The end of a variable's name that `PORT` replaces in the variable beside it: `DB_HOST` and `DB_PORT`."""


class NamedHost(NamedTuple):
    """A host that a setting of a service names; `port` is 0 where none stands beside it."""

    setting: str
    host: str
    port: int = 0
    scheme: str = ""


def named_hosts(environment: Any, command: Any) -> Iterator[NamedHost]:
    """Yield the hosts that the environment and the command of a service name, as Compose resolves them."""
    variables = {str(k): str(v) for k, v in environment.items() if v} if isinstance(environment, Mapping) else {}
    for name, text in sorted(variables.items()):
        yield from _in_text(f"environment.{name}", text)
        if HOST_VARIABLE.search(name):
            port = _number(variables.get(HOST_ENDING.sub("PORT", name), ""))
            hosts = (word.strip() for word in text.split(","))
            yield from (NamedHost(f"environment.{name}", host, port) for host in hosts if BARE.fullmatch(host))
    words = command if isinstance(command, list) else [command]
    for word in words:
        if isinstance(word, str):
            yield from _in_text("command", word)


def _in_text(setting: str, text: str) -> Iterator[NamedHost]:
    """Yield the hosts of the URLs of a text, and those with a port beside them."""
    for match in URL.finditer(text):
        for authority in match["hosts"].split(","):
            host, _, port = authority.partition(":")
            if BARE.fullmatch(host):
                yield NamedHost(setting, host, _number(port) or scheme_port(match["scheme"]), match["scheme"])
    for match in HOST_AND_PORT.finditer(URL.sub(" ", text)):
        if port_number := _number(match["port"]):
            yield NamedHost(setting, match["host"], port_number)


def _number(text: str) -> int:
    """Return the port that a text is, 0 for another text."""
    number = int(text) if re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) else 0
    return number if number <= MAX_PORT else 0
