"""A rule with `via`, and containers that leave over several networks: what was seen decides, and drift is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from tests.unit.fake_engine import BACK, DUAL_STACK, FRONT, POLICY, STACK, FakeEngine, label

from cloison.model.facts import EgressNetworks
from cloison.model.outcome import Outcome, Reach
from cloison.predict.egress_networks import predicted_egress
from cloison.verdict import egress_networks, judge
from cloison.verdict.judge import JudgedFlow

EGRESS: Final = "proxy-1 -> outside:*"
VIA: Final = STACK.with_policy(allow=[*POLICY["allow"], "proxy -> outside via frontend_net"], tolerate=[])


def judged(deployment: FakeEngine, *networks: str, answer: Outcome | None = None) -> dict[str, JudgedFlow]:
    """Return the judged flows of a proof that saw proxy leave over some networks."""
    facts = replace(deployment.facts, egress_networks=(EgressNetworks("proxy-1", 4, networks),))
    seen = replace(deployment, facts=facts)
    predicted, observed = seen.predicted(), seen.observed({EGRESS: answer} if answer else {})
    by_container = egress_networks.by_container(facts.egress_networks)
    by_file = egress_networks.by_container(predicted_egress(seen.project, facts))
    intended = seen.intended()
    predicted = egress_networks.predictions_by_egress(intended, predicted, by_container, by_file)
    needed = egress_networks.needed_egress(intended, lambda flow: observed[flow].reach is Reach.SHUT)
    answers = egress_networks.certain(observed, needed, by_container)
    return {label(item.flow): item for item in judge.compare(needed, predicted, answers)}


def test_the_demanded_network_holds() -> None:
    found = judged(VIA, FRONT)[EGRESS]

    assert ("holds", False) == (found.judgement, found.drift)


def test_another_network_than_the_demanded_one_is_a_breach_that_the_file_does_not_explain() -> None:
    found = judged(VIA, "interface tun0")[EGRESS]

    assert ("breach", "drift", True) == (found.judgement, found.cause, found.drift)
    assert "the egress network of proxy is interface tun0, and the policy demands frontend_net" == found.intention.why


def test_another_network_on_which_nothing_passes_is_broken() -> None:
    found = judged(VIA, "interface tun0", answer=Outcome.SILENT)[EGRESS]

    assert "broken" == found.judgement


def test_no_network_at_all_is_broken() -> None:
    assert "broken" == judged(VIA, answer=Outcome.UNREACHABLE)[EGRESS].judgement


def test_a_second_rule_may_allow_the_other_network() -> None:
    deployment = VIA.with_policy(allow=["proxy -> outside via frontend_net", "proxy -> outside via backend_net"])

    assert "holds" == judged(deployment, BACK)[EGRESS].judgement


@pytest.mark.parametrize(("network", "judgement"), [(FRONT, "tolerated"), (BACK, "breach")])
def test_a_toleration_may_demand_a_network(network: str, judgement: str) -> None:
    tolerated = [{"flow": "proxy -> outside via frontend_net", "why": "updates"}]
    deployment = STACK.with_policy(allow=[], tolerate=tolerated)

    assert judgement == judged(deployment, network)[EGRESS].judgement


def test_an_egress_that_was_not_read_is_unknown() -> None:
    deployment = replace(VIA, facts=replace(VIA.facts, egress_networks=()))

    assert "unknown" == deployment.found()[EGRESS].judgement


def test_one_probe_proves_nothing_with_several_default_routes() -> None:
    allowed = STACK.with_policy(allow=["proxy -> outside"])
    closed = STACK.with_policy(allow=[], tolerate=[])
    two = (FRONT, BACK)

    assert "unknown" == judged(allowed, *two)[EGRESS].judgement
    assert "unknown" == judged(closed, *two, answer=Outcome.SILENT)[EGRESS].judgement
    assert "breach" == judged(closed, *two)[EGRESS].judgement
    assert "unknown" == judged(VIA, *two)[EGRESS].judgement


def test_a_reason_names_the_network() -> None:
    facts = replace(VIA.facts, egress_networks=(EgressNetworks("proxy-1", 4, (BACK,)),))
    proof = replace(VIA, facts=facts).proof()
    reasons = {flow.reason for flow in proof.flows if flow.judgement == "breach"}

    assert any("open, but the egress network of proxy is backend_net" in text for text in reasons)
    assert "egress: proxy leaves over backend_net (IPv4)" in proof.notes


def test_a_note_names_an_interface_of_no_network_and_no_service_on_one_network() -> None:
    found = (EgressNetworks("proxy-1", 4, ("interface tun0",)), EgressNetworks("app-1", 4, (BACK,)))
    notes = replace(STACK, facts=replace(STACK.facts, egress_networks=found)).proof().notes

    assert "egress: proxy leaves over interface tun0 (IPv4)" in notes
    assert not any("app leaves" in note for note in notes)


def test_a_service_without_egress_has_no_note() -> None:
    none = replace(STACK.facts, egress_networks=(EgressNetworks("proxy-1", 4, ()),))

    assert not any("leaves over" in note for note in replace(STACK, facts=none).proof().notes)


def test_one_version_of_ip_over_the_demanded_network_is_enough() -> None:
    deployment = DUAL_STACK.with_policy(allow=["proxy -> outside via frontend_net"], tolerate=[])
    seen = (EgressNetworks("proxy-1", 4, (FRONT,)), EgressNetworks("proxy-1", 6, ()))
    deployment = replace(deployment, facts=replace(deployment.facts, egress_networks=seen))
    observed = deployment.observed({f"{EGRESS} over IPv6": Outcome.UNREACHABLE})
    needed = egress_networks.needed_egress(deployment.intended(), lambda flow: observed[flow].reach is Reach.SHUT)

    intents = {label(flow): intention.intent for flow, intention in needed.items()}
    assert ("open", "shut") == (intents[EGRESS], intents[f"{EGRESS} over IPv6"])
