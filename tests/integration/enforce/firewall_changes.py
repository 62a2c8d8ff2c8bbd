"""Changes the packet filter of the machine beside an enforced project, and says what is closed and open after each.

    setup/second-engine.sh enter forky .venv/bin/python -m tests.integration.enforce.firewall_changes

Output: one JSON object: for each change whether what the policy forbids is open, whether what it allows is, and for
how many milliseconds the rules were gone, as the kernel showed it and as the loop told it.
Rule: it flushes every rule of the machine, so it runs in namespaces of its own, never beside other projects.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.integration.compose_project import Lab, docker, three_tiers
from tests.integration.enforce.link_image import IMAGE, import_image

from cloison.compose import project as compose_project
from cloison.enforce.layout import table_name
from cloison.engine import compose_cli
from cloison.linux import libnftables
from cloison.workflow import enforcement
from cloison.workflow.keep_enforced import Change, kept_enforced

UFW: Final = "*filter\n:ufw-before-forward - [0:0]\n-F ufw-before-forward\n-A ufw-before-forward -j ACCEPT\nCOMMIT\n"
"""ufw loads its chains so, with `iptables-restore -n`: https://manpages.debian.org/bookworm/ufw/ufw-framework.8.en.html"""
FIREWALLD: Final = (
    "add table inet firewalld; delete table inet firewalld; add table inet firewalld; "
    "add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy accept; }"
)
"""A reload of firewalld replaces its own table in one transaction."""
SHELL: Final[Mapping[str, Sequence[str]]] = {
    "nothing": ("true",),
    "bridges are not filtered": ("echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables",),
    "bridges are filtered": ("echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables",),
    "legacy iptables accepts everything": ("iptables-legacy -I FORWARD -j ACCEPT", "iptables-legacy -P FORWARD ACCEPT"),
    "ufw reloads": ("iptables -P FORWARD ACCEPT", f"printf '{UFW!s}' | iptables-restore -n"),
    "ufw is disabled": ("iptables -F", "iptables -P FORWARD ACCEPT", "iptables -P INPUT ACCEPT"),
    "firewalld reloads": (f"nft '{FIREWALLD}'", f"nft '{FIREWALLD}'"),
    "every rule is flushed": ("nft flush ruleset",),
    "the service nftables restarts": ("printf 'flush ruleset\\ntable inet filter { }\\n' | nft -f -",),
}
"""The commands of each change, which only ever follow one another: the last two remove the engine's own rules, too."""
MOST_SECONDS: Final = 5.0


def document() -> dict[str, Any]:
    """Return three tiers that an engine without images can start."""
    found = three_tiers(allow=["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306"])
    for body in found["services"].values():
        body |= {"image": IMAGE, "volumes": ["/usr:/usr:ro"]}
        body["entrypoint"] = ["python3", *body["entrypoint"][1:]]
    return found


def is_open(lab: Lab, source: str, port: int) -> bool:
    """Whether a service can connect to the database."""
    found = json.loads(docker("inspect", lab.container("db")))[0]["NetworkSettings"]["Networks"]
    address = found[f"{lab.name}_back"]["IPAddress"]
    code = f"import socket\nsocket.create_connection(({address!r}, {port}), 0.5)"
    argv = ["docker", "exec", lab.container(source), "python3", "-c", code]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def stands(name: str) -> bool:
    """Whether both tables of a project exist."""
    return all(libnftables.table(family, name) is not None for family in ("bridge", "inet"))


def gone_for(name: str, commands: Sequence[str]) -> float:
    """Run commands, and return for how many milliseconds a table was missing afterwards, at least."""
    for command in commands:
        subprocess.run(["bash", "-ec", command], check=True)
    since = time.monotonic()
    missing = not stands(name)
    while not stands(name) and time.monotonic() - since < MOST_SECONDS:
        time.sleep(0.005)
    return (time.monotonic() - since) * 1e3 if missing else 0.0


def told_gap(changes: list[Change], *, is_expected: bool) -> float:
    """Return the gap in milliseconds that the loop has told; it tells of it after the rules stand."""
    since = time.monotonic()
    while is_expected and not any(c.gap for c in changes) and time.monotonic() - since < MOST_SECONDS:
        time.sleep(0.01)
    return max((change.gap * 1e3 for change in changes), default=0.0)


def observed(lab: Lab) -> dict[str, dict[str, Any]]:
    """Make the changes one after the other, and return what is seen after each."""
    found: dict[str, dict[str, Any]] = {}
    changes: list[Change] = []
    lab.up(document())
    name = table_name(lab.name)
    project = compose_project.project(compose_cli.resolved(lab.selection))
    with enforcement.enforcer(project) as enforcer:
        enforcer.apply()
        with kept_enforced(enforcer, changes.append):
            for change, commands in SHELL.items():
                changes.clear()
                gone = gone_for(name, commands)
                told = told_gap(changes, is_expected="flush ruleset" in commands[0])
                found[change] = {
                    "forbidden": is_open(lab, "proxy", 3306),
                    "allowed": is_open(lab, "app", 3306),
                    "gone": gone,
                    "told": told,
                    "differs": enforcement.standing_differs(lab.name, enforcer.text),
                }
    enforcement.off(lab.name)
    found["nothing is enforced"] = {"forbidden": is_open(lab, "proxy", 3306), "allowed": is_open(lab, "app", 3306)}
    return found


def main() -> int:
    """Make the changes on a project of its own."""
    import_image()
    with tempfile.TemporaryDirectory(prefix="changed") as folder:
        lab = Lab(Path(folder))
        try:
            sys.stdout.write(json.dumps(observed(lab)))
        finally:
            lab.compose("down", "--timeout", "0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
