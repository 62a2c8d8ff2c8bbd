"""A service in the host's network namespace is not isolated: it is open at every address of the host."""

from __future__ import annotations

import pytest
from tests.integration.compose_project import POLICY, Lab, docker, failures, service, three_tiers

from cloison.model.outcome import Reach

pytestmark = pytest.mark.engine
PORT = 47002


def test_a_service_in_the_hosts_namespace_is_open_at_every_address_of_the_host(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["node"] = service(PORT, network_mode="host")
    document["x-cloison"] = POLICY | {"allow": [*POLICY["allow"], "node -> *"]}
    lab.up(document)
    gateway = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", f"{lab.name}_front")

    proof = lab.prove()

    flows = [
        flow
        for flow in proof.flows
        for end in (proof.endpoints[flow.endpoint],)
        if (proof.vantages[flow.vantage].place, end.place, end.service_port) == ("outside", "node", PORT)
    ]
    assert gateway in {proof.endpoints[flow.endpoint].address for flow in flows}
    assert {Reach.OPEN} == {flow.observed for flow in flows}
    assert {"file"} == failures(proof)["outside", f"node:{PORT}"]
