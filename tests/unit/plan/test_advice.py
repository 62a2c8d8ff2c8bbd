"""Each piece of advice of a plan, applied and judged again: on generated files, on public shapes, and case by case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.fake_engine import STACK
from tests.unit.plan.public_shapes import SHAPES
from tests.unit.plan.sample_documents import TOLERATE, planned, service, shop
from tests.unit.plan.test_segmentation import ENGINES, documents

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.compose.project import Project
from cloison.model.flow import HOST, Endpoint, EndpointKind, Flow, Protocol, Vantage, ip_version
from cloison.model.outcome import Reach
from cloison.plan import advice as tried
from cloison.plan import advisor
from cloison.plan.advice import NOTHING_WORKS, TriedAdvice, tried_advice
from cloison.plan.advisor import connection_advice, judge_services
from cloison.plan.applied_proposal import applied_proposal
from cloison.plan.candidates import Candidates
from cloison.plan.change import Leave, MakeInternal, MovePort, RemoveIpv6, Replace, Situation, Tolerate, UseEngine
from cloison.plan.proof_advice import proof_advice
from cloison.plan.requirements import allowed, requirements
from cloison.plan.scenario import build_scenario
from cloison.plan.segmentation import propose
from cloison.plan.synthetic_facts import Assumptions
from cloison.plan.tolerations import grouped_tolerations
from cloison.verdict.judge import JudgedFlow, Judgement


def situation_of(document: dict[str, Any], engine: str) -> Situation:
    """Return the situation of a document."""
    return Situation(compose_project.project(document), Assumptions(engine))


def advised(situation: Situation) -> tuple[list[JudgedFlow], list[TriedAdvice]]:
    """Return the judged flows of a situation, and the advice about them."""
    judged = judge_services(situation)
    rules = policy.policy(situation.project)
    context = build_scenario(situation.project, rules, situation.assumed).policy_context
    found = propose(situation.project, requirements(context)) if context else None
    return judged, tried_advice(
        situation,
        judged,
        judge_services,
        needing_egress=requirements(context).egress if context else (),
        allowed=allowed(context) if context else (),
        others=[Replace("apply it", applied_proposal(situation, found, judge_services).project)] if found else [],
    )


def name(item: JudgedFlow) -> tuple[Any, ...]:
    """Return a flow without its networks and addresses."""
    end = item.flow.endpoint
    published, version = end.kind is EndpointKind.PUBLISHED, ip_version(end.address)
    return item.flow.vantage.place, end.place, end.protocol, end.service_port, published, version


def names(judged: list[JudgedFlow], *words: Judgement) -> set[tuple[Any, ...]]:
    """Return the flows with a judgement."""
    return {name(item) for item in judged if item.judgement in words}


def opened(judged: list[JudgedFlow]) -> set[tuple[Any, ...]]:
    """Return the open flows that do not start at the host."""
    return {name(i) for i in judged if i.prediction.reach is Reach.OPEN and i.flow.vantage.place != HOST}


def satisfied(judged: list[JudgedFlow]) -> set[tuple[Any, ...]]:
    """Return the open flows that a rule of the policy allows, at any address."""
    by_rule = (i for i in judged if i.intention.where.startswith("x-cloison.allow"))
    return {name(i)[:4] for i in by_rule if i.prediction.reach is Reach.OPEN}


def check_advice(situation: Situation) -> None:
    """Apply each piece of advice, and check that it settles its flows and makes nothing worse."""
    before, found = advised(situation)
    unsettled = names(before, Judgement.BREACH, Judgement.BROKEN)
    assert {name(before[i]) for item in found for i in item.positions} == unsettled
    rules = policy.policy(situation.project)
    needed = {frozenset({rule.source, rule.target}) for rule in rules.allow} if rules else set()
    for item in found:
        if item.change is None:
            continue
        after = judge_services(item.change.applied(situation))
        bad = [i for i in after if i.judgement in (Judgement.BREACH, Judgement.BROKEN)]
        if isinstance(item.change, Tolerate):  # of each flow by its address: another network needs another toleration
            assert {before[position].flow for position in item.positions}.isdisjoint(i.flow for i in bad), item.sentence
        else:
            assert {name(before[position]) for position in item.positions}.isdisjoint(map(name, bad)), item.sentence
        assert satisfied(before) <= satisfied(after), item.sentence
        assert names(after, Judgement.BREACH) <= names(before, Judgement.BREACH), item.sentence
        assert names(after, Judgement.BROKEN) <= names(before, Judgement.BROKEN), item.sentence
        worse = opened(after) - opened(before)
        meant = {name(i) for i in after if i.intention.where.startswith("x-cloison.allow")}
        allows_everything = any("*" in pair for pair in needed)
        owner = situation.project.owner
        strange = {key for key in worse - meant if {owner(key[0]), owner(key[1])} not in owned(situation, needed)}
        assert allows_everything or not strange, item.sentence


def owned(situation: Situation, pairs: set[frozenset[str]]) -> list[set[str]]:
    """Return pairs of places as pairs of the owners of their namespaces."""
    return [{situation.project.owner(place) for place in pair} for pair in pairs]


@given(documents(), st.sampled_from(ENGINES))
@settings(max_examples=min(40, settings().max_examples))
def test_each_piece_of_advice_settles_its_flows_and_makes_nothing_worse(document: dict[str, Any], engine: str) -> None:
    check_advice(situation_of(document, engine))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_advice_about_a_public_shape_works(shape: str) -> None:
    check_advice(situation_of(SHAPES[shape], "20.10"))


@given(documents(), st.sampled_from(ENGINES))
@settings(max_examples=min(40, settings().max_examples))
def test_a_proposal_leaves_no_breach_but_ports_that_people_decide_about(document: dict[str, Any], engine: str) -> None:
    situation = situation_of(document, engine)
    context = build_scenario(situation.project, policy.policy(situation.project), situation.assumed).policy_context
    assert context
    found = propose(situation.project, requirements(context))
    if found is None:
        return

    applied = applied_proposal(situation, found, judge_services)

    after = judge_services(Situation(applied.project, situation.assumed))
    words = {item.judgement for item in after}
    assert applied.is_sound is words.isdisjoint({Judgement.BREACH, Judgement.BROKEN, Judgement.UNKNOWN})
    assert set() == names(after, Judgement.BREACH)
    before = judge_services(situation)
    assert names(after, Judgement.BROKEN) <= names(before, Judgement.BROKEN)


def sentences(document: dict[str, Any], judgement: str = "breach", **assumed: str) -> dict[str, set[str]]:
    """Return the advice of a plan, and the flows that it is about."""
    plan = planned(document, **assumed)
    found: dict[str, set[str]] = {}
    for part in plan.advice:
        for flow in (plan.flows[position] for position in part.flows):
            if flow.judgement == judgement:
                text = f"{plan.vantages[flow.vantage].place} -> {plan.endpoints[flow.endpoint].place}"
                found.setdefault(part.sentence, set()).add(text)
    return found


def shop_of(allow: list[str], networks: dict[str, Any], **services: Any) -> dict[str, Any]:
    """Return a project in which the host and what the policy needs in a network are tolerated."""
    named = {key: {"name": f"shop_{key}", **body} for key, body in networks.items()}
    return {
        "name": "shop",
        "services": services,
        "networks": named,
        "x-cloison": {"allow": allow, "tolerate": [TOLERATE[2]]},
    }


def test_two_services_that_the_policy_lets_communicate_are_not_separated() -> None:
    found = sentences(
        shop_of(
            ["app -> db:5432"],
            {"back": {"internal": True}},
            app=service("back"),
            db=service("back", expose=(5432,)),
        )
    )

    why = "Docker has no policy inside a network"
    assert {
        f'{why}: tolerate it with `- {{network: "back", why: "{why}"}}` under x-cloison.tolerate': {
            "app -> db",
            "db -> app",
        }
    } == found


def test_the_network_of_the_only_published_port_does_not_become_internal() -> None:
    found = sentences(shop_of(["outside -> web:80"], {"front": {}}, web=service("front", ports=("80:80",))))

    assert ["a network with egress gives it to every member"] == [key.partition(":")[0] for key in found]


def test_a_member_that_needs_egress_gets_a_network_for_it() -> None:
    found = sentences(
        shop_of(
            ["outside -> web:80", "web -> db:80"],
            {"all": {}},
            web=service("all", expose=(80,), ports=("80:80",)),
            db=service("all", expose=(80,)),
        )
    )

    change = "make all `internal: true`, and give web a network of its own (`web-outside`)"
    assert {"db -> outside", "db -> web"} == found[change]


def test_a_service_on_the_network_of_the_host_is_not_told_to_make_networks_internal() -> None:
    found = sentences(
        shop_of(
            ["app -> app2:80"], {"back": {}}, agent={"network_mode": "host"}, app=service("back"), app2=service("back")
        )
    )

    assert not [key for key, flows in found.items() if "agent -> outside" in flows and "internal" in key]


def test_a_published_port_that_the_policy_forbids_is_published_on_loopback() -> None:
    found = sentences(
        shop_of(
            ["app -> db:53/udp", "app -> outside", "db -> outside"],
            {"back": {}},
            app=service("back"),
            db=service("back", ports=("53:53/udp", "80:80")),
        )
    )

    assert "outside -> db" in found["publish port 53/udp of db on 127.0.0.1 only"]


@pytest.mark.parametrize(
    ("allow", "services", "sentence"),
    [
        (
            ["app -> db:80"],
            {"app": service("front"), "db": service("back", expose=(80,))},
            "give app and db an internal network of their own (`app-db`), and Docker has no policy inside a network",
        ),
        (["app -> outside"], {"app": service("back")}, "give app a network of its own (`app-outside`), or remove"),
        (["outside -> app:80"], {"app": service("back", expose=(80,))}, "opens this and nothing else"),
        (["outside -> app:80", "app -> outside"], {"app": service("back", expose=(80,))}, "publish port 80 of app"),
        (["outside -> app:80"], {"app": service("back", ports=("80:80",))}, "opens this and nothing else"),
        (["outside -> app:80"], {"app": service("front", expose=(80,))}, 'publish port 80 of app (`ports: ["80:80"]`)'),
        (["outside -> app"], {"app": service("back")}, "name the port that is needed in x-cloison.allow[0]"),
    ],
)
def test_a_needed_connection_that_the_file_closes_has_a_change_that_opens_it(
    allow: list[str], services: dict[str, Any], sentence: str
) -> None:
    networks = {"back": {"internal": True}, "front": {}}

    found = sentences(shop_of(allow, networks, **services), "broken")

    assert any(sentence in key for key in found), found


def test_ipv6_without_a_filter_is_removed_or_a_newer_engine_used() -> None:
    document = shop(
        {"allow": ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306"], "tolerate": TOLERATE},
        proxy=service("back", "front", ports=("8080:80",)),
    )
    document["networks"]["back"] |= {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}

    found = sentences(document)

    assert "app -> outside" in found["remove `enable_ipv6` from back"]
    assert "app -> outside" not in {flow for flows in sentences(document, engine="28.0").values() for flow in flows}


def test_only_a_newer_engine_is_advised() -> None:
    document = shop_of(
        ["app -> outside", "app -> db:80"],
        {"back": {}},
        app=service("back"),
        db=service("back", expose=(80,), ports=("127.0.0.1:80:80",)),
    )

    assert "use Docker Engine 28.0 or later (`--engine 28.0` predicts it)" in sentences(document)
    assert not [key for key in sentences(document, engine="29.1") if "Docker Engine" in key and "use" in key]


def test_without_a_policy_the_advice_is_a_change_or_a_policy() -> None:
    document = shop()
    document["networks"]["back"] |= {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}

    assert "remove `enable_ipv6` from back" in sentences(document)


def test_a_host_that_the_policy_cannot_name_has_no_toleration() -> None:
    document = shop({"allow": ["app -> db:3306"]}, host=service("front"))

    found = sentences(document)

    assert found[NOTHING_WORKS] >= {"app -> host", "db -> host"}


def test_after_the_last_trial_only_tolerations_are_tried() -> None:
    situation = situation_of(shop({"allow": ["app -> db:3306"]}), "20.10")
    judged = judge_services(situation)
    judged_situations: list[Situation] = []

    def judge(changed: Situation) -> list[JudgedFlow]:
        judged_situations.append(changed)
        return judge_services(changed)

    many = judged * (tried.TRIED_FLOWS // len(judged) + 1)
    found = tried_advice(situation, many, judge, needing_egress=(), allowed=())

    assert 1 == len(judged_situations)
    assert all(isinstance(item.change, Tolerate) for item in found)


def test_a_proof_has_the_advice_that_the_plan_of_its_engine_tried() -> None:
    project = situation_of(shop({"allow": ["app -> db:3306"]}), "20.10").project
    scenario = build_scenario(project, policy.policy(project), Assumptions("20.10"))
    judged = scenario.judged()

    found = proof_advice(project, "docker", "20.10", judged)

    expected = connection_advice(project, Assumptions("20.10"))
    assert {item.sentence for item in found} == {*expected.values()}
    assert {i for i, item in enumerate(judged) if item.judgement is Judgement.BREACH} == {
        position for part in found for position in part.flows
    }
    assert () == proof_advice(project, "podman", "5.0", judged)
    assert () == proof_advice(project, "docker", "20.10", [])


def test_a_proof_of_a_policy_about_foreign_containers_has_no_tried_advice() -> None:
    project = situation_of(shop({"allow": ["app -> db:3306"]}), "20.10").project
    judged = judge_services(Situation(project, Assumptions("20.10")))
    unreadable = Project(project.name, project.services, project.networks, {"allow": ["app -> nobody:80"]})

    assert () == proof_advice(unreadable, "docker", "20.10", judged)


def test_changes_say_what_to_do() -> None:
    assert "make a, b and c `internal: true`" == MakeInternal(("a", "b", "c")).sentence
    assert "remove back from `networks` of db" == Leave("db", ("back",)).sentence
    assert UseEngine("28.0").applied(Situation(STACK.project, Assumptions("20.10"))).assumed.engine == "28.0"


def test_a_broken_flow_to_the_host_has_no_candidate() -> None:
    situation = situation_of(shop({"allow": ["app -> db:3306"]}), "no version")
    host = Endpoint(HOST, "", EndpointKind.CANARY, Protocol.TCP, 0, "", "192.0.2.1", 0)

    assert [] == [*Candidates(situation, ()).opening(Flow(Vantage("app", "app-1"), host))]


def test_an_engine_without_a_version_is_not_told_to_be_newer() -> None:
    situation = situation_of(shop({"allow": ["app -> db:3306"]}), "no version")
    there = Endpoint("outside", "", EndpointKind.CANARY, Protocol.TCP, 0, "", "2001:db8::1", 0)

    assert [] == [
        c
        for c in Candidates(situation, ()).closing(Flow(Vantage("app"), there))
        if isinstance(c, UseEngine | RemoveIpv6)
    ]


def test_a_large_project_has_no_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisor, "STEP_FLOWS", 10)

    proposal = planned(SHAPES["cloud"]).proposal

    assert proposal
    assert proposal.step is None


def test_a_service_with_a_network_mode_gets_no_network() -> None:
    situation = situation_of(shop({"allow": ["app -> db:3306"]}, agent={"network_mode": "host"}), "20.10")
    there = Endpoint("db", "db-1", EndpointKind.LISTENER, Protocol.TCP, 3306, "shop_back", "198.18.0.3", 3306)

    assert [] == [*Candidates(situation, ()).opening(Flow(Vantage("agent", "agent-1"), there))]


def test_of_two_ports_only_the_named_one_moves() -> None:
    document = shop({"allow": ["app -> db:3306"]}, db=service("back", ports=("53:53/udp", "3306:3306")))

    moved = MovePort("db", 3306, "tcp").applied(situation_of(document, "20.10"))

    assert [53] == [port.target for port in moved.project.services["db"].ports]
    assert "remove port 53/udp from `ports` of db" == MovePort("db", 53, "udp").sentence


def test_replicas_that_reach_their_own_published_port_have_a_toleration_of_their_own() -> None:
    web = service("all", expose=(80,), ports=("80:80",), scale=2)
    document = shop_of(["outside -> *"], {"all": {}}, web=web, agent={"network_mode": "service:web"})
    situation = situation_of(document, "20.10")
    breaches = [item.flow for item in judge_services(situation) if item.judgement is Judgement.BREACH]

    entries = [entry["flow"] for entry, _ in grouped_tolerations(situation.project, breaches) if "flow" in entry]

    assert {"agent -> web:80/tcp", "web -> web:80/tcp"} <= {*entries}
