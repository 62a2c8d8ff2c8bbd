"""An orphan whose service stands behind a profile gets the profile's name as its advice."""

from __future__ import annotations

from msgspec.structs import replace
from tests.unit.fake_engine import STACK, container

from cloison.findings.container_states import states
from cloison.proof.schema import FindingPart
from cloison.workflow.prove import with_profiles


def test_an_orphan_of_a_service_behind_a_profile_is_named_with_the_profile() -> None:
    risks = states(
        "shop", STACK.project.services, (container("old"), container("debug"), container("db", state="paused"))
    )
    parts = [FindingPart(r.what, r.where, r.sentence, r.evidence, r.source) for r in risks]
    found = with_profiles(replace(STACK.proof(), findings=parts), {"debug": ("dev", "ci"), "db": ("x",)})
    sentences = {part.where: part.sentence for part in found.findings}

    assert "the file has it only with a profile: add `--profile ci` or `--profile dev`" in sentences["debug-1"]
    assert "--remove-orphans" in sentences["old-1"]
    assert "--profile" not in sentences["old-1"] + sentences["db-1"]
