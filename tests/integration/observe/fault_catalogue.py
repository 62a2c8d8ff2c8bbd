"""The fault-injection catalogue: `python -m tests.integration.observe.fault_catalogue` writes its page anew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.integration.observe.blocking_faults import BLOCKING_FAULTS
from tests.integration.observe.fault_builders import InjectedFault
from tests.integration.observe.link_faults import BY_ROUTES_AND_LINKS
from tests.integration.observe.opening_faults import BY_NAT, BY_RULES, BY_THE_ENGINE

PAGE: Final = Path(__file__).parents[3] / "docs/fault-injection.md"
HEAD: Final = """# Holes that were tried

A wall can be opened without a word in the Compose file, and a door can be shut. These are the ways that the tests try
on a real engine. Each is made on a running project, proven, and taken back. The proof must name the doors below, and
hold again afterwards.

The project: `db` and `app` sit on `back`, which is internal; `guest` sits on `front`; `proxy` sits on both and
publishes port 80. The policy allows `outside -> proxy:80`, `proxy -> app:5000`, `app -> db:3306` and
`app -> db:5353/udp`. It tolerates what the members of one network can do to each other, egress from `front`, and the
way to the host. Words in capitals stand for addresses, links and networks. `*` is the canary: any port on which nobody
listens.

In the report: **drift** is a breach that the file does not draw, **file** one that follows from the file and the
engine's settings. Both end with exit code 1, and so does **broken**. **unknown** ends with exit code 3.
**tolerated** and **holds** change no verdict.
"""
SECTIONS: Final = (
    ("Holes by way of the engine", BY_THE_ENGINE),
    ("Holes in the packet filter", BY_RULES),
    ("Holes by translation and by relays", BY_NAT),
    ("Holes past the bridges", BY_ROUTES_AND_LINKS),
    ("Doors that are needed and do not open", BLOCKING_FAULTS),
)
TAIL: Final = """
## What packets cannot tell

- **A process that carries data on**, in a container that sits on two networks or on the host, is a program like any
  other. The proof shows the door at which it listens (`proxy:13306` and `host:13306` above), and nothing behind it.
  Where the policy does not tolerate that door, it is a breach.
- **A rule that speaks about one neighbour.** The outside is one machine with one address on one link. What a rule
  opens for another address (`-s 203.0.113.7`), another link (`-i eth0`) or another source port alone is not seen.
- **A rule that speaks about other packets**: long ones, those in the middle of a connection, other protocols than TCP,
  UDP and ICMP's echo, or another time of the day.
- **What is translated by a map of nftables** is asked at no port: only rules that iptables can write down are read.
- **Loopback.** What listens on loopback alone is not asked, and where `route_localnet` is set, neighbours may get in.
"""


def page() -> str:
    """Return the page."""
    return HEAD + "".join(f"\n## {title}\n\n{_table(rows)}" for title, rows in SECTIONS) + TAIL


def _table(rows: Iterable[InjectedFault]) -> str:
    lines = ["| what | how | in the report |", "|---|---|---|"]
    lines += [f"| {row.name} | `{row.how}` | {_report(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _report(row: InjectedFault) -> str:
    doors = ", ".join(f"`{door}`" for door in row.expected_flows)
    named = f"**{row.word}**: {doors}" if doors else f"**{row.word}**"
    return f'{named}; says "{row.says}"' if row.says else named


if __name__ == "__main__":
    PAGE.write_text(page())
