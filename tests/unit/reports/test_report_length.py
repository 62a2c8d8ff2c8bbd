"""The report of a project is as long as a person reads, and --full leaves nothing out."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.sample_documents import planned
from tests.unit.plan.sample_documents import service as planned_service
from tests.unit.reports.sample_project import service, world
from tests.unit.reports.sample_proofs import PROOFS

from cloison.proof.schema import Proof
from cloison.reports import plan_terminal, terminal

PORTS = (80, 3306, 6379, 5432, 8080, 9000)
SCREEN = 50
"""Lines of a terminal window."""


def attachments(number: int, networks: int) -> list[str]:
    """Return the networks of a service; every third one is on two of them."""
    second = [f"n{(number + 1) % networks}"] if number % 3 == 0 and networks > 1 else []
    return [f"n{number % networks}", *second]


def proof(count: int, networks: int) -> Proof:
    """Return a proof of services of which the policy allows nothing."""
    services = {
        f"s{n:02}": service(PORTS[n % 6], *attachments(n, networks), published=8000 + n if n % 5 == 0 else 0)
        for n in range(count)
    }
    declared = {f"n{n}": {"internal": bool(n % 2)} for n in range(networks)}
    return world({"services": services, "networks": declared, "x-cloison": {"allow": []}}).proof()


def plan_text(count: int, networks: int, **options: Any) -> str:
    services = {
        f"s{n:02}": planned_service(
            *attachments(n, networks),
            expose=(PORTS[n % 6],),
            ports=(f"{8000 + n}:{PORTS[n % 6]}",) if n % 5 == 0 else (),
        )
        for n in range(count)
    }
    declared = {f"n{n}": {"name": f"x_n{n}", "internal": bool(n % 2)} for n in range(networks)}
    document = {"name": "x", "services": services, "networks": declared, "x-cloison": {"allow": []}}
    return plan_terminal.render(planned(document), color=False, width=100, strict=False, **options)


def proof_text(document: Proof, **options: Any) -> str:
    return terminal.render(document, color=False, width=100, strict=False, **options)


@pytest.mark.no_cover  # large
@pytest.mark.parametrize(("count", "networks", "lines"), [(12, 4, 60), (40, 8, 120)])
def test_a_report_of_many_breaches_is_short(count: int, networks: int, lines: int) -> None:
    assert len(plan_text(count, networks).splitlines()) <= lines
    assert len(proof_text(proof(count, networks)).splitlines()) <= lines


def test_a_report_without_breaches_is_one_screen() -> None:
    assert len(proof_text(PROOFS["tolerated"]()).splitlines()) <= SCREEN


def test_a_full_report_names_nothing_that_it_leaves_out() -> None:
    short, full = (proof_text(PROOFS["twelve"](), full=full) for full in (False, True))

    assert "--full shows all" in short
    assert "--full" not in full
    assert "--full" not in plan_text(9, 3, full=True)


def test_what_needs_action_comes_before_the_matrix_and_the_verdict_is_first_and_last() -> None:
    text = proof_text(PROOFS["breach"]())
    first, *_, last = text.splitlines()

    assert (
        text.index("To act on: ") < text.index("from    │") < text.index("\nTolerated\n") < text.index("\nCoverage\n")
    )
    assert first.startswith("BREACHED  shop · ")
    assert last == "BREACHED  shop: 30 connections: 8 breach, 9 tolerated, 6 not judged, 7 hold"


def test_listeners_come_before_ports_without_one() -> None:
    lines = [line.strip() for line in proof_text(proof(3, 1)).splitlines()]
    (mesh,) = [line for line in lines if "reach each other" in line]

    assert mesh == "s00, s01 and s02 reach each other, at s00:80, s01:3306, s02:6379, any other port"
