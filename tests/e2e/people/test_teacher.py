"""Somebody who grades a networks lab, with the loop of README.md: thirty files, and a line for each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.e2e.people.newcomer import Newcomer
from tests.e2e.people.readme_blocks import PEOPLE, blocks

POLICY: Final = """\
allow:
  - outside -> proxy:80
  - proxy -> app:5000
  - app -> db:3306
tolerate:
  - {flow: "* -> host", why: containers reach the addresses of their host}
  - {flow: proxy -> outside, why: a published port needs a network with egress}
  - {flow: "app -> proxy, db", why: Docker has no policy inside a network}
  - {flow: "proxy, db -> app", why: Docker has no policy inside a network}
"""
RIGHT: Final = """\
services:
  db: {image: db, expose: ["3306"], networks: [data]}
  app: {image: app, expose: ["5000"], networks: [data, backend]}
  proxy: {image: proxy, ports: ["8080:80"], networks: [frontend, backend]}
networks: {frontend: {}, backend: {internal: true}, data: {internal: true}}
"""
ONE_NETWORK: Final = re.sub(r", networks: \[[a-z, ]*\]|^networks.*\n", "", RIGHT, flags=re.MULTILINE)
TOLERANT: Final = 'x-cloison: {tolerate: [{flow: "* -> *, outside", why: it works}]}\n'
HANDED_IN: Final[dict[str, tuple[str, int, str]]] = {
    "right": (RIGHT, 0, r"SOUND  .*: 30 connections: 10 tolerated, 6 not judged, 14 hold"),
    "right-with-a-name": (f"name: my-lab\n{RIGHT}", 0, r"SOUND  my-lab: 30 connections"),
    "right-with-own-networks": (RIGHT.replace("backend", "middle").replace("data", "store"), 0, r"SOUND  "),
    "right-with-another-port": (RIGHT.replace("8080", "8888"), 0, r"SOUND  "),
    "one-network": (ONE_NETWORK, 1, r"BREACHED  .* 6 breach"),
    "no-internal": (RIGHT.replace("internal: true", ""), 1, r"BREACHED  .* breach"),
    "proxy-beside-the-database": (RIGHT.replace("[frontend, backend]", "[frontend, backend, data]"), 1, r"BREACHED  "),
    "application-beside-the-front": (RIGHT.replace("[data, backend]", "[data, backend, frontend]"), 1, r"BREACHED  "),
    "proxy-cut-off": (RIGHT.replace("[frontend, backend]", "[frontend]"), 1, r"BREACHED  .* broken"),
    "front-internal": (RIGHT.replace("frontend: {}", "frontend: {internal: true}"), 1, r"BREACHED  .* broken"),
    # Before Engine 28, which is the default, a published port is also open at the container's own address.
    "on-loopback": (RIGHT.replace("8080:80", "127.0.0.1:8080:80"), 0, r"SOUND  "),
    "database-published": (
        RIGHT.replace('expose: ["3306"], networks: [data]', 'ports: ["3306:3306"], networks: [data, frontend]'),
        1,
        r"BREACHED  ",
    ),
    "own-policy": (ONE_NETWORK + TOLERANT, 1, r"BREACHED  .* 6 breach"),
    "another-port": (
        RIGHT.replace("8080:80", "8080:8080"),
        2,
        r'cloison: lab\.yml: .*service "proxy" publishes no port 80/tcp',
    ),
    "another-name": (RIGHT.replace("db:", "database:"), 2, r'.*no service "db"'),
    "no-port": (RIGHT.replace(', ports: ["8080:80"]', ""), 1, r"BREACHED  .* 1 broken"),
    "no-such-network": (RIGHT.replace("frontend: {}, ", ""), 2, r".*undefined network frontend"),
    "no-yaml": ("services: {db: 3", 2, r".*the Compose file cannot be resolved: yaml: line 1"),
    "empty": ("", 2, r".*empty compose file"),
    "text": ("I did not get this to work.\n", 2, r".*the Compose file cannot be resolved"),
}
"""Name to the file, the exit code, and the beginning of the line."""
CLASS: Final = 30
MOST_SECONDS: Final = 120
MOST_COMMANDS: Final = 2


def test_a_class_of_thirty_is_graded_by_one_loop(person: Newcomer, folder: Path) -> None:
    (folder / "lab.yml").write_text(POLICY)
    (folder / "hand-in").mkdir()
    right = [name for name, (_, code, _) in HANDED_IN.items() if code == 0]
    names = [*HANDED_IN, *(right * CLASS)][:CLASS]
    files = {f"hand-in/{number:02}-{name}.yml": HANDED_IN[name] for number, name in enumerate(names)}
    for name, (text, _, _) in files.items():
        (folder / name).write_text(text)

    done = person.run(blocks(PEOPLE, "sh")[2], folder)

    assert ("", 0) == (done.stderr, done.returncode)
    table = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert [*files] == [name for _, name, _ in table]
    assert {name: code for name, (_, code, _) in files.items()} == {name: int(code) for code, name, _ in table}
    wrong = {name: line for _, name, line in table if not re.match(files[name][2], line)}
    assert {} == wrong
    assert person.seconds <= MOST_SECONDS
    person.report(MOST_COMMANDS)
