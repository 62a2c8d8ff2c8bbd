"""Notifications leave the stack through a container of their own: what `compose.notify.yml` opens, by its plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from tests.unit.commands.test_plan import plan

OVERRIDE: Final = ("-f", "compose.yml", "-f", "compose.notify.yml")


def reachable(*words: str) -> dict[str, set[str]]:
    """Return which places each service of a sound plan can reach."""
    done = plan("--require-policy", "--format", "json", *words)
    assert 0 == done.returncode, done.stderr
    document = json.loads(done.stdout)
    assert "sound" == document["verdict"]["word"]
    found: dict[str, set[str]] = {}
    for flow in document["flows"]:
        source = document["vantages"][flow["vantage"]]["place"]
        if flow["predicted"] == "open":
            found.setdefault(source, set()).add(document["endpoints"][flow["endpoint"]]["place"])
    return found


def test_by_default_nothing_but_the_proxy_has_a_way_to_the_outside() -> None:
    found = reachable()

    assert ["proxy"] == [place for place, targets in found.items() if "outside" in targets]
    assert "notifier" not in found


def test_with_notifications_only_the_notifier_is_added_and_it_reaches_the_database_alone() -> None:
    before, after = reachable(), reachable(*OVERRIDE)

    assert ["notifier", "proxy"] == sorted(place for place, targets in after.items() if "outside" in targets)
    assert {"db", "outside"} <= after["notifier"]
    assert "app" not in after["notifier"]
    for place in ("app", "proxy", "outside"):
        assert before[place] == after[place] - {"notifier"}
    assert {"notifier"} == after["db"] - before["db"]


def test_an_application_with_a_network_of_its_own_to_the_outside_is_a_breach(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("services: {app: {networks: [notify_net]}}\n", encoding="utf-8")
    tmp_path.chmod(0o755)
    done = plan("--require-policy", *OVERRIDE, "-f", str(wrong))

    assert 1 == done.returncode
    assert "app -> outside" in done.stdout.replace("→", "->")
