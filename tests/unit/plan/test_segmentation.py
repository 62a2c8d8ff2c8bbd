"""The proposed networks: the flows that they close and open by the same prediction, on generated files."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.sample_documents import ALLOW, POLICY, planned, service, shop

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.compose.flow_rule import PolicyRule
from cloison.compose.policy import Policy
from cloison.model.flow import HOST, OUTSIDE, EndpointKind, Flow
from cloison.model.outcome import Reach
from cloison.plan import planner
from cloison.plan import segmentation as proposing
from cloison.plan.clique_cover import Clique
from cloison.plan.requirements import requirements
from cloison.plan.scenario import Scenario, build_scenario
from cloison.plan.segmentation import propose, with_proposal
from cloison.plan.synthetic_facts import Assumptions

NAMES = ("a", "b", "c", "d")
NETWORKS = ("n1", "n2", "n3")
ENGINES = ("20.10", "28.0")


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Generate a file with a policy about it."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    services = {name: draw(_bodies(name, names)) for name in names}
    networks = {key: {"name": f"shop_{key}", "internal": draw(st.booleans())} for key in NETWORKS}
    places = [*names, OUTSIDE, "*"]
    targets = ["*", OUTSIDE, *(f"{name}{port}" for name in names for port in ("", ":80", ":81"))]
    arrow = st.builds("{} -> {}".format, st.sampled_from(places), st.sampled_from(targets))
    rules = {"allow": draw(st.lists(arrow, max_size=5))}
    return {"name": "shop", "services": services, "networks": networks, "x-cloison": rules}


@st.composite
def _bodies(draw: st.DrawFn, name: str, names: list[str]) -> dict[str, Any]:
    if name != names[0] and draw(st.integers(0, 6)) == 0:
        return {"network_mode": f"service:{names[0]}"}
    ports = draw(st.sampled_from([(), (), (f"808{NAMES.index(name)}:80",), (f"127.0.0.1:909{NAMES.index(name)}:80",)]))
    networks = draw(st.lists(st.sampled_from(NETWORKS), min_size=1, unique=True))
    return service(*networks, expose=(80,), ports=ports, scale=draw(st.integers(1, 2)))


def scenarios(document: dict[str, Any], engine: str) -> tuple[Scenario, Scenario]:
    """Return the scenario of a project, and the one with its proposal applied, without tolerations."""
    project, assumed = compose_project.project(document), Assumptions(engine)
    before = build_scenario(project, policy.policy(project), assumed)
    policy_context = before.policy_context
    assert policy_context
    found = propose(project, requirements(policy_context))
    if not found:
        return before, before
    assert before.rules
    return before, build_scenario(with_proposal(project, found), Policy(before.rules.allow, ()), assumed)


def between(scenario: Scenario, flow: Flow) -> bool:
    """Whether a flow goes from the addresses of one service to those of another."""
    owner, services = scenario.project.owner, scenario.project.services
    ends = {owner(flow.vantage.place), owner(flow.endpoint.place)}
    return ends <= {*services} and len(ends) == 2 and flow.endpoint.kind is not EndpointKind.PUBLISHED


def speaks(scenario: Scenario, rule: PolicyRule, flow: Flow) -> bool:
    """Whether a rule matches two services, at any port and in any direction."""
    owner = scenario.project.owner
    ends = [owner(flow.vantage.place), owner(flow.endpoint.place)]
    arrow = [name if name == "*" else owner(name) for name in (rule.source, rule.target)]
    return any(all(a in ("*", b) for a, b in zip(arrow, pair, strict=True)) for pair in (ends, ends[::-1]))


@given(documents(), st.sampled_from(ENGINES))
def test_services_share_a_network_only_if_the_policy_allows_it(document: dict[str, Any], engine: str) -> None:
    _, after = scenarios(document, engine)

    assert after.rules
    met = [flow for flow, said in after.predicted.items() if between(after, flow) and said.reach is Reach.OPEN]
    assert [] == [flow for flow in met if not any(speaks(after, rule, flow) for rule in after.rules.allow)]


@given(documents(), st.sampled_from(ENGINES))
def test_every_allowed_flow_between_services_is_open(document: dict[str, Any], engine: str) -> None:
    _, after = scenarios(document, engine)

    assert after.rules
    for rule in after.rules.allow:
        asked = [
            flow for flow in after.predicted if not rule.has_wildcard and rule.matches(flow) and between(after, flow)
        ]
        ways = {(flow.vantage, flow.endpoint.container, flow.endpoint.service_port) for flow in asked}
        opened = [flow for flow in asked if after.predicted[flow].reach is Reach.OPEN]
        assert ways == {(flow.vantage, flow.endpoint.container, flow.endpoint.service_port) for flow in opened}


@given(documents(), st.sampled_from(ENGINES))
def test_only_services_that_need_egress_have_it(document: dict[str, Any], engine: str) -> None:
    before, after = scenarios(document, engine)

    assert before.policy_context
    wanted = requirements(before.policy_context)
    owner = after.project.owner
    opened = [flow for flow, said in after.predicted.items() if said.reach is Reach.OPEN]
    egress = {flow.vantage.place for flow in opened if flow.endpoint.place == OUTSIDE}
    attachable = {owner(name) for name in egress - {HOST}}
    assert wanted.egress == attachable


@given(documents(), st.sampled_from(ENGINES))
def test_an_applied_proposal_needs_no_other(document: dict[str, Any], engine: str) -> None:
    _, after = scenarios(document, engine)

    assert after.policy_context
    assert propose(after.project, requirements(after.policy_context)) is None


@given(documents(), st.sampled_from(ENGINES))
def test_a_flow_that_is_closed_on_the_oldest_engine_is_closed_on_a_newer_one(
    document: dict[str, Any], engine: str
) -> None:
    project = compose_project.project({key: body for key, body in document.items() if key != "x-cloison"})
    old, new = (
        build_scenario(project, None, Assumptions(version)).open_pairs() for version in (Assumptions().engine, engine)
    )

    assert new <= old


def test_three_tiers_on_one_network_become_three_networks() -> None:
    proposal = planned(shop(POLICY)).proposal

    assert proposal
    assert (["db -> proxy", "proxy -> db"], [], []) == (proposal.shuts, proposal.opens, proposal.leaves_open)
    assert [("app", ["app-proxy", "back"]), ("proxy", ["app-proxy", "front"])] == [
        (part.service, part.networks) for part in proposal.services
    ]
    assert proposal.yaml.startswith(
        "services:\n  app:\n    networks: !override [app-proxy, back]\n"
        "  proxy:\n    networks: !override [app-proxy, front]\nnetworks:\n  app-proxy:\n    internal: true\n"
    )


def test_a_needed_flow_that_the_file_closes_is_opened() -> None:
    proposal = planned(
        shop({"allow": ALLOW}, db=service("store", expose=(3306,)))
        | {"networks": {key: {"name": f"shop_{key}", "internal": key != "front"} for key in ("back", "front", "store")}}
    ).proposal

    assert proposal
    assert ["app -> db", "db -> app"] == proposal.opens


def test_a_network_that_stops_being_internal_says_so() -> None:
    document = shop({"allow": ["outside -> app:80"]}, app=service("back", ports=("80:80",)))
    del document["services"]["db"], document["services"]["proxy"]

    proposal = planned(document).proposal

    assert proposal
    assert proposal.yaml.startswith("networks:\n  back:\n    internal: false\n")
    assert ["app -> outside", "outside -> app"] == proposal.opens


def test_a_service_without_requirements_gets_no_network() -> None:
    proposal = planned(shop({"allow": ALLOW}, cron=service("back"))).proposal

    assert proposal
    assert "  cron:\n    networks: !reset null\n    network_mode: none\n" in proposal.yaml


def test_external_networks_and_other_drivers_remain() -> None:
    document = shop({"allow": ALLOW}, db=service("back", "edge", expose=(3306,)))
    document["networks"]["edge"] = {"name": "edge", "external": True}

    proposal = planned(document).proposal

    assert proposal
    assert "edge" not in proposal.dropped
    networks = {part.service: part.networks for part in proposal.services}
    assert "edge" in networks.get("db", ["edge"])


@pytest.mark.parametrize("name", ["null", "1st", "on"])
def test_a_name_that_yaml_would_not_read_as_a_string_is_quoted(name: str) -> None:
    document = shop({"allow": [*ALLOW]}, **{name: service("back")})

    proposal = planned(document).proposal

    assert proposal
    assert f'  "{name}":\n    networks: !reset null\n    network_mode: none\n' in proposal.yaml


def test_without_a_policy_nothing_is_proposed() -> None:
    assert planned(shop()).proposal is None


def test_long_keys_are_shortened() -> None:
    names = [f"a-service-with-a-long-name-{number}" for number in range(3)]
    allow = [f"{a} -> {b}:80" for a, b in (names[:2], names[1:], names[::2])]
    services = {name: service("all", expose=(80,)) for name in names}
    document = {"name": "long", "services": services, "networks": {"all": {}, "x": {}}, "x-cloison": {"allow": allow}}

    assert planned(document).proposal is not None
    assert planner.plan(compose_project.project(document), Assumptions(), planned(document).tool).proposal


def test_a_new_network_with_many_members_has_a_readable_key() -> None:
    clique = Clique(tuple(f"a-service-with-a-long-name-{number}" for number in range(3)), egress=True)
    first = "a-service-with-a-long-name-0-and-2-more-outside"

    assert first == proposing._new_key(clique, {"x"})  # noqa: SLF001  # a row of the naming rule
    assert f"{first}-2" == proposing._new_key(clique, {first})  # noqa: SLF001  # same


def test_a_network_keeps_the_name_that_is_true_of_its_members() -> None:
    document = {
        "name": "cloud",
        "services": {
            "web": service("dbnet", "cachenet", ports=("80:80",)),
            "cache": service("cachenet", expose=(6379,)),
            "db": service("dbnet", expose=(3306,)),
        },
        "networks": {key: {"name": f"cloud_{key}"} for key in ("dbnet", "cachenet")},
        "x-cloison": {"allow": ["outside -> web:80", "web -> db:3306", "web -> cache:6379", "web -> outside"]},
    }

    proposal = planned(document).proposal

    assert proposal
    assert {"cachenet": ["cache", "web"], "dbnet": ["db", "web"], "web-outside": ["web"]} == {
        network.key: network.members for network in proposal.networks
    }
    assert [("web", ["cachenet", "dbnet", "web-outside"])] == [(p.service, p.networks) for p in proposal.services]


def test_a_network_of_a_service_without_replicas_is_not_removed() -> None:
    document = shop({"allow": ALLOW}, cron=service("spare", scale=0), db=service("store", "spare", expose=(3306,)))
    document["networks"] |= {key: {"name": f"shop_{key}", "internal": True} for key in ("spare", "store", "unused")}

    proposal = planned(document).proposal

    assert proposal
    assert "spare" not in proposal.dropped
    assert "  unused: !reset null\n" in proposal.yaml
