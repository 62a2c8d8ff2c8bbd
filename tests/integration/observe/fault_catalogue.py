"""The fault-injection catalogue: `python -m tests.integration.observe.fault_catalogue` writes docs/fault-injection.md.

Input: the tables of injected faults. Output: the Markdown of the page.
Rule: the page is written by this module alone; tests/unit/docs compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.integration.observe.blocking_faults import BLOCKING_FAULTS
from tests.integration.observe.fault_builders import InjectedFault
from tests.integration.observe.link_faults import BY_ROUTES_AND_LINKS
from tests.integration.observe.opening_faults import BY_NAT, BY_RULES, BY_THE_ENGINE

PAGE: Final = Path(__file__).parents[3] / "docs/fault-injection.md"
HEAD: Final = """# Fault-injection catalogue

A firewall rule, a route or a process on the host can open a connection that the Compose file does not contain, and can
block one that the policy needs. This page lists the faults that the integration tests inject on a real engine. Each
test starts the project below, injects one fault, makes a proof, and removes the fault. The proof must report the flows
in the last column; a proof made after the removal must hold.

The project: `db` and `app` are on `back`, which is internal; `guest` is on `front`; `proxy` is on both networks and
publishes port 80. The policy allows `outside -> proxy:80`, `proxy -> app:5000`, `app -> db:3306` and
`app -> db:5353/udp`. It tolerates flows between members of one network, egress from `front`, and flows to the host.
Words in capitals are placeholders for addresses, interfaces and networks. `*` is the [canary](glossary.md): any port on
which no process listens.

In the report: **drift** is a breach that the Compose file does not explain, **file** is a breach that follows from the
file and the engine's settings. Both end with exit code 1, and so does **broken**. **unknown** ends with exit code 3.
**tolerated** and **holds** change no verdict. [Known isolation bypasses](known-bypasses.md) lists the documented
behaviour of Docker and Podman; the [glossary](glossary.md) explains the words.
"""
SECTIONS: Final = (
    ("Connections opened through the engine", BY_THE_ENGINE),
    ("Connections opened in the packet filter", BY_RULES),
    ("Connections opened by NAT and by relays", BY_NAT),
    ("Connections opened by routes and interfaces", BY_ROUTES_AND_LINKS),
    ("Needed connections that are blocked", BLOCKING_FAULTS),
)
TAIL: Final = """
## What packets cannot show

- **A process that relays data**, in a container on two networks or on the host, looks like any other program. The proof
  shows the port on which it listens (`proxy:13306` and `host:13306` above), and not the connection that it makes
  itself. Where the policy does not tolerate that port, it is a breach.
- **A rule that matches one source only.** The external host has one address on one interface. A rule that opens a
  connection for another address (`-s 203.0.113.7`), another interface (`-i eth0`) or another source port is not seen.
- **A rule that matches other packets**: packets of another length, packets in the middle of a connection, protocols
  other than TCP, UDP and ICMP echo, or another time of the day.
- **Every port of a translated range.** Of a range, both ends, one port between and the ports on which the target
  listens are probed; a note names the range.
- **Loopback.** A listener on loopback is not probed; where `route_localnet` is set, other machines may reach it.
"""


def page() -> str:
    """Return the Markdown of the page."""
    return HEAD + "".join(f"\n## {title}\n\n{_table(rows)}" for title, rows in SECTIONS) + TAIL


def _table(rows: Iterable[InjectedFault]) -> str:
    lines = ["| fault | command | in the report |", "|---|---|---|"]
    lines += [f"| {row.name} | `{row.how}` | {_report(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _report(row: InjectedFault) -> str:
    flows = ", ".join(f"`{flow}`" for flow in row.expected_flows)
    named = f"**{row.word}**: {flows}" if flows else f"**{row.word}**"
    return f'{named}; says "{row.says}"' if row.says else named


if __name__ == "__main__":
    PAGE.write_text(page())
