"""The page about watching, the alerts and the dashboard name the metrics of the code, and no others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cloison.watch.metrics import METRICS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/watch.md").read_text()
ALERTS = ROOT / "contrib/prometheus/cloison-alerts.yml"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "contrib/grafana/cloison.json").read_text())
SAMPLES = {
    f"{name}{suffix}"
    for name, row in METRICS.items()
    for suffix in (("_sum", "_count") if row.kind.__name__ == "Summary" else ("",))
}
"""The names of what Prometheus stores."""


def named(text: str) -> set[str]:
    """Return the metrics that an expression names."""
    return set(re.findall(r"\bcloison_[a-z_]+", text))


def test_the_page_has_a_row_for_each_metric() -> None:
    expected = [
        f"| `{name}` | {row.kind.__name__.lower()} | {', '.join(f'`{label}`' for label in row.labels) or 'none'} "
        f"| {row.help} |"
        for name, row in METRICS.items()
    ]

    assert expected == [line for line in PAGE.splitlines() if line.startswith("| `cloison_")]


def test_the_alerts_name_metrics_of_the_code() -> None:
    rules = [rule for group in YAML(typ="safe").load(ALERTS.read_text())["groups"] for rule in group["rules"]]

    assert len(rules) == len({rule["alert"] for rule in rules}) > 0
    for rule in rules:
        assert set() < named(rule["expr"]) <= SAMPLES, rule["alert"]
        assert {"alert", "expr", "labels", "annotations"} <= rule.keys() <= {"for", *rule.keys()}


def test_promtool_accepts_the_alerts() -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed, so the syntax of the expressions is not checked")
    subprocess.run(["promtool", "check", "rules", str(ALERTS)], check=True)


def test_the_dashboard_names_metrics_of_the_code() -> None:
    panels = DASHBOARD["panels"]
    shown = {name for panel in panels for target in panel["targets"] for name in named(target["expr"])}
    variables = [variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]

    assert shown | named(" ".join(variables)) <= SAMPLES
    assert {"cloison_proof_timestamp_seconds", "cloison_connections", "cloison_enforcement_gaps_total"} <= shown


def test_the_dashboard_can_be_imported() -> None:
    """Each panel has a place of its own on the grid of 24 columns, and the data source is chosen at the import."""
    panels = DASHBOARD["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert all(x < 24 for x, _ in cells)
    assert len(panels) == len({panel["id"] for panel in panels})
    assert {"${datasource}"} == {target["datasource"]["uid"] for panel in panels for target in panel["targets"]}
    assert {"title", "uid", "schemaVersion", "panels", "time", "templating"} <= DASHBOARD.keys()
