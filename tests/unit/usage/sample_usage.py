"""A project with a policy, and records of its use."""

from __future__ import annotations

from typing import Any, Final

from tests.unit.plan.sample_documents import service

from cloison.compose import project as compose_project
from cloison.compose.policy import Policy, policy
from cloison.compose.project import Project
from cloison.usage.line_use import LineUse, line_uses, lines
from cloison.usage.record import DAY, Arrow, Period, Usage, Use

START: Final = 1_800_000_000
MONTH: Final = 30 * DAY
DB: Final = Arrow("app", "db", "tcp", 3306)


def shop(**parts: Any) -> tuple[Project, Policy]:
    """Return a project with a policy."""
    services = {
        "proxy": service("back", ports=("8080:80",)),
        "app": service("back", expose=(5000,)),
        "db": service("back", expose=(3306,)),
        "statsd": {**service("back"), "expose": ["8125/udp"]},
    }
    networks = {"back": {"name": "shop_back"}}
    project = compose_project.project({"name": "shop", "services": services, "networks": networks, "x-cloison": parts})
    found = policy(project)
    assert found
    return project, found


def used(arrow: Arrow, last: int = START, **more: Any) -> Use:
    """Return the use of an arrow."""
    return Use(*arrow, **{"first": START, "last": last, "connections": 1} | more)


def usage(rules: tuple[Project, Policy], *uses: Use, days: float = 40, counted: bool = False, **more: Any) -> Usage:
    """Return a record of some days, in which every line of the policy was there from the beginning."""
    parts: dict[str, Any] = {"uses": list(uses), "lines": {line.key: START for line in lines(*rules)}}
    period = Period(START, START + int(days * DAY), is_counted=counted)
    return Usage("shop", **parts | {"periods": [period] if days else []} | more)


def found(rules: tuple[Project, Policy], *uses: Use, **more: Any) -> list[LineUse]:
    """Return the lines with their use, after a month without one they are unused."""
    return line_uses(*rules, usage(rules, *uses, **more), MONTH)
