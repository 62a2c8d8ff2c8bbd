"""What the quickstart and the tutorial say of running projects; small services with the same ports run in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import pytest
from tests.integration.compose_project import Lab, docker, service
from tests.unit.docs.page_examples import files, merged, text

from cloison.proof.schema import Proof
from cloison.reports import REPORTS, RenderOptions
from cloison.verdict.judge import Judgement

pytestmark = pytest.mark.engine
SHOP: Final = ("compose.yaml", "policy.yaml", "proposal.yaml")
SHOWN: Final = re.findall(r"```text prove\n(.*?)```", text("quickstart.md"), re.DOTALL)
LAB: Final = ("lab.yaml", "policy.yaml", "internal.yaml", "apart.yaml", "tolerated.yaml")


def runnable(page: str, names: Sequence[str]) -> dict[str, Any]:
    """Return the project of a page with services that need no image of others and no port of this machine."""
    found = files(page)
    document: Any = {}
    for name in names:
        document = merged(document, found[name])
    small = {name: _small(body) for name, body in document["services"].items()}
    return {key: value for key, value in {**document, "services": small}.items() if key != "name"}


def _small(body: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: body[key] for key in ("networks", "expose") if key in body}
    if "ports" in body:
        kept["ports"] = [port.rpartition(":")[2] for port in body["ports"]]  # the engine chooses a port of the host
    return service(int(body["command"].split()[-1]), **kept)


def printed(proof: Proof) -> str:
    return "".join(REPORTS["terminal"](proof, RenderOptions(color=False, width=100, strict=False)))


@pytest.mark.parametrize(("shown", "names"), [*zip(SHOWN, (SHOP[:1], SHOP), strict=True)], ids=["drawn", "proven"])
def test_a_proof_of_the_quickstart_is_reported_as_shown(lab: Lab, shown: str, names: Sequence[str]) -> None:
    lab.up(runnable("quickstart.md", names))
    first, *parts, code = shown.strip().split("\n…\n")

    proof = lab.prove()
    report = printed(proof)

    assert first.split()[0] == report.split()[0]
    assert [] == [part for part in parts if part not in report]
    assert code == f"exit {proof.verdict.exit_code}"


def test_the_project_of_the_tutorial_is_proven_until_a_container_joins_another_network(lab: Lab) -> None:
    lab.up(runnable("tutorial.md", LAB))

    before = lab.prove()
    docker("network", "connect", f"{lab.name}_backend", lab.container("db"))
    after = lab.prove()

    assert ("proven", "breached") == (before.verdict.word, after.verdict.word)
    assert {"drift"} == {flow.cause for flow in after.flows if flow.judgement is Judgement.BREACH}
