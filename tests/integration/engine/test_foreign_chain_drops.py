"""A chain of another table that drops: what is lost in it is told with the chain's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.engine.second_engine import running

pytestmark = pytest.mark.engine
FILE = {
    "services": {"web": {"image": "nobody/has-this:1", "ports": ["80"], "networks": ["front"]}},
    "networks": {"front": {}},
}
SAID = "packets of flows that should be open may be dropped by the chain FORWARD of the table mangle (ip)"


def test_a_policy_that_drops_in_another_table_is_named(tmp_path: Path) -> None:
    with running("trixie") as machine:
        whole = machine.rehearse(FILE, tmp_path)
        done = machine.enter("iptables", "-t", "mangle", "-P", "FORWARD", "DROP")
        assert done.returncode == 0, done.stderr
        lost = machine.rehearse(FILE, tmp_path)

    assert [] == [flow for flow in whole.flows if flow.drift]
    assert not any(note.startswith(SAID[:20]) for note in whole.notes)
    assert any(flow.drift for flow in lost.flows)
    assert [f"{SAID}: its policy is DROP"] == [n for n in lost.notes if n.startswith(SAID[:20])]
