"""Plans and their reports: verdicts, lint findings and their positions, and the wording."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.unit.plan.sample_documents import ALLOW, POLICY, flow_texts, planned, remarks, service, shop
from tests.unit.plan.sample_plans import FOLDER, PLANS, RENDERINGS, rendered

from cloison.errors import PolicyError
from cloison.findings.container_risks import CAPABILITY_USES
from cloison.model.outcome import Reach
from cloison.plan.lint import LintKind
from cloison.plan.schema import Plan, ProposalPart, ProposedNetworkPart
from cloison.reports import plan_terminal as report
from cloison.verdict.judge import Judgement

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("name", RENDERINGS)
def test_a_report_is_the_golden_one(name: str) -> None:
    stored = (FOLDER / f"{name}.txt").read_text()

    assert stored == rendered(**RENDERINGS[name]), (
        "if this is meant: python -m tests.unit.plan.sample_plans, and read the difference"
    )


def test_no_golden_report_is_unused() -> None:
    assert {f"{name}.txt" for name in RENDERINGS} == {path.name for path in FOLDER.iterdir()}


@pytest.mark.parametrize("name", PLANS)
def test_a_report_of_a_plan_never_claims_an_observation(name: str) -> None:
    text = rendered(name)

    assert not re.search(r"PROVEN|\bproven\b|\bobserved\b|was accepted|looked at;$|(?<!:) reaches |\bdrift\b", text)
    assert "nothing was started or probed" in " ".join(text.split())


@pytest.mark.parametrize("name", PLANS)
def test_colour_changes_no_letter_and_lines_stay_short(name: str) -> None:
    assert rendered(name) == ANSI.sub("", rendered(name, color=True))
    assert [] == [line for line in rendered(name).splitlines() if len(line) > 100 or line != line.rstrip()]


@pytest.mark.parametrize(
    ("name", "word", "code"),
    [
        ("sound", "sound", 0),
        ("smallest", "sound", 0),
        ("breached", "breached", 1),
        ("undecided", "breached", 1),
        ("without-policy", "drawn", 0),
    ],
)
def test_the_verdict_is_that_of_the_worst_flow(name: str, word: str, code: int) -> None:
    verdict = PLANS[name]().verdict

    assert (word, code) == (verdict.word, verdict.exit_code)


def test_a_plan_with_only_unknown_flows_is_undecided() -> None:
    document = shop({"allow": ["app -> db:3306"], "tolerate": [{"flow": "* -> host", "why": "x"}]})
    document["services"] = {"app": service("edge"), "db": service("edge", expose=(3306,))}
    document["networks"] = {"edge": {"external": True}}
    plan = planned(document)

    assert ("undecided", 3) == (plan.verdict.word, plan.verdict.exit_code)
    assert {"app -> db:3306", "db -> app:*"} <= flow_texts(plan, "unknown")


def test_a_flow_that_the_file_opens_is_a_breach_and_a_needed_one_that_it_closes_is_broken() -> None:
    plan = planned(shop({"allow": [*ALLOW, "db -> outside"]}))

    assert {"proxy -> db:3306", "proxy -> db:*", "proxy -> outside:*"} <= flow_texts(plan, "breach")
    assert {"db -> outside:*"} == flow_texts(plan, "broken")
    assert "every network of db is internal" in next(f.reason for f in plan.flows if f.judgement == "broken")


def test_a_needed_port_that_the_file_does_not_publish_is_broken() -> None:
    plan = planned(shop(POLICY, proxy=service("back", "front", expose=(80,))), engine="28.0")

    assert {"outside -> proxy:80"} == flow_texts(plan, "broken")


@pytest.mark.parametrize(("engine", "shut"), [("20.10", False), ("27.3", False), ("28.0", True)])
def test_a_port_published_on_loopback_is_open_to_the_outside_before_engine_28(engine: str, shut: bool) -> None:
    document = shop({**POLICY, "allow": ALLOW[1:]}, proxy=service("back", "front", ports=("127.0.0.1:8080:80",)))

    assert shut is ("outside -> proxy:80" not in flow_texts(planned(document, engine=engine), "breach"))


@pytest.mark.parametrize(
    ("allow", "sentence"),
    [
        (["proxy -> apii:5000"], r'x-cloison.allow\[0\]: no service "apii"'),
        (["host -> outside"], r'"host -> outside" matches no flow'),
        (["app -> app"], r'"app -> app" matches no flow'),
    ],
)
def test_a_policy_that_matches_no_flow_is_refused(allow: list[str], sentence: str) -> None:
    with pytest.raises(PolicyError, match=sentence):
        planned(shop({"allow": allow}))


def test_a_port_that_the_file_does_not_declare_is_assumed_and_reported() -> None:
    tolerated = [{"flow": "proxy -> app:9999", "why": "x"}, *POLICY["tolerate"]]
    plan = planned(shop({"allow": [*ALLOW, "app -> db:33060"], "tolerate": tolerated}))

    assert 0 == plan.verdict.exit_code
    assert [
        (
            "x-cloison.allow[3]",
            "port 33060/tcp of db is not declared in the file (`expose`); the plan assumes a listener",
        ),
        (
            "x-cloison.tolerate[0].flow",
            "port 9999/tcp of app is not declared in the file (`expose`); the plan assumes a listener",
        ),
    ] == remarks(plan, "undeclared")
    assert {"app -> db:33060"} <= flow_texts(plan, "holds")


def test_a_toleration_that_matches_nothing_is_noted() -> None:
    assert (
        "x-cloison.tolerate[1] (db -> outside)"
        in planned(
            shop({**POLICY, "tolerate": [*POLICY["tolerate"][:1], {"flow": "db -> outside", "why": "x"}]})
        ).notes[0]
    )


LAN: dict[str, Any] = {
    "lan": {"driver": "macvlan"},
    "edge": {"name": "edge", "external": True},
    "zoo": {},
    "bare": {"driver_opts": {"com.docker.network.bridge.gateway_mode_ipv4": "nat-unprotected"}},
    "v6": {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:6::/64"}]}},
    "i6": {"enable_ipv6": True, "internal": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}},
}


NAMED = [{"type": "volume", "source": "api", "target": "/there"}]


def bind(source: str, **more: Any) -> list[dict[str, Any]]:
    """Return a mount of the host's path."""
    return [{"type": "bind", "source": source, "target": "/there", **more}]


@pytest.mark.parametrize(
    ("kind", "body", "key", "says"),
    [
        ("published", service("front", ports=("80:80",)), "x.ports", "for every machine, on every address of the host"),
        ("published", service("front", ports=("0.0.0.0:80:80",)), "x.ports", "for every machine, on 0.0.0.0"),
        ("published", service("front", ports=("10.0.0.5:80:80",)), "x.ports", "machines that reach it, on 10.0.0.5"),
        ("published", service("front", ports=("127.0.0.1:80:80",)), "x.ports", "for the host only, on 127.0.0.1"),
        ("published", service("front", ports=("[::]:53:53/udp",)), "x.ports", "x:53/udp, for every machine, on ::"),
        ("published", service("front", ports=(":80",)), "x.ports", "a port of the host that the engine chooses"),
        ("published", service("lan", ports=("80:80",)), "x.ports", "if one of its networks is a bridge"),
        ("unpublished", service("back", ports=("80:80",)), "x.ports", "Docker Swarm publishes it"),
        ("unpublished", service(network_mode="host", ports=("80:80",)), "x.ports", "with network_mode host"),
        ("egress", service("front"), "x.networks", "x has egress to the internet over front"),
        ("egress", service("front", "zoo"), "x.networks", "over front, which the engine prefers to zoo"),
        ("egress", service("front", "edge"), "x.networks", "over front"),
        ("egress", service(network_mode="bridge"), "x.networks", "over bridge"),
        ("bridges", service("front", "back"), "x.networks", "x is on back and front: whoever"),
        ("host-mode", service(network_mode="host"), "x.network_mode", "x uses the host's network"),
        ("company", service("back"), "networks.back", "app and x, db and proxy, db and x"),
        ("untold", service("edge"), "networks.edge", "edge is external"),
        ("untold", service("lan"), "networks.lan", "lan has the driver macvlan"),
        ("untold", service("bare"), "networks.bare", "nat-unprotected only on newer engines: --engine 28.0 predicts"),
        ("ipv6", service("v6"), "networks.v6.enable_ipv6", "v6 is not filtered over IPv6 before Docker Engine 27: "),
        ("ipv6", service("i6"), "networks.i6.enable_ipv6", "before Docker Engine 27, although it is internal: "),
        ("replicas", service("back", scale=7), "x.deploy.replicas", "4 of 7 replicas"),
        ("replicas", service("back", scale=0), "x.deploy.replicas", "none of its connections is judged"),
        ("privileged", service("back", privileged=True), "x.privileged", "equivalent to root on the host"),
        ("privileged", service("back", cap_add=["ALL"]), "x.cap_add", "x holds every capability"),
        ("engine-socket", service("back", volumes=bind("/var/run/docker.sock")), "x.volumes", "host: /run/docker.sock"),
        ("engine-socket", service("back", volumes=bind("/run", read_only=True)), "x.volumes", "is in its mount /there"),
        ("engine-socket", service("back", use_api_socket=True), "x.volumes", "host: /run/docker.sock"),
        ("engine-socket", service("back", volumes=NAMED), "x.volumes", "host: /run/docker.sock"),
        ("host-directory", service("back", volumes=bind("/etc/")), "x.volumes", "host: /etc is its mount /there"),
        ("devices", service("back", devices=[{"source": "/dev/sda"}]), "x.devices", "the host's device /dev/sda"),
        ("devices", service("back", devices=["/dev/sdb:/dev/x:rw"]), "x.devices", "the host's device /dev/sdb"),
        ("host-pid", service("back", pid="host"), "x.pid", "x sees every process of the host"),
        ("host-ipc", service("back", ipc="host"), "x.ipc", "shared memory of the host's processes"),
        ("host-uts", service("back", uts="host"), "x.uts", "the host's UTS namespace"),
        *(
            (use.what, service("back", cap_add=[capability.name], pid="host"), "x.cap_add", f"x could {use.able}: ")
            for capability, use in CAPABILITY_USES.items()
        ),
    ],
)  # fmt: skip
def test_what_the_file_says_is_remarked_at_its_key(kind: str, body: dict[str, Any], key: str, says: str) -> None:
    document = shop(POLICY, x=body)
    document["networks"] |= LAN
    document["volumes"] = {"api": {"driver_opts": {"type": "none", "o": "ro,bind", "device": "/run/docker.sock"}}}
    where = key.replace("x.", "services.x.", 1)
    found = [text for place, text in remarks(planned(document), kind) if place == where]

    assert any(says in text for text in found), found


def test_a_gateway_mode_that_the_engine_supports_is_no_finding() -> None:
    document = shop()
    document["networks"] |= {"bare": LAN["bare"]}

    assert [] == remarks(planned(document, engine="28.0"), "untold")
    assert ["networks.bare"] == [where for where, _ in remarks(planned(document), "untold")]


@pytest.mark.parametrize(("engine", "count"), [("20.10", 1), ("26.1", 1), ("27.0", 0), ("28.5", 0)])
def test_ipv6_is_a_finding_where_the_engine_does_not_filter_it(engine: str, count: int) -> None:
    document = shop(POLICY)
    document["networks"]["back"] |= {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}

    assert count == len(remarks(planned(document, engine=engine), "ipv6"))


@pytest.mark.parametrize("body", [{"external": True}, {"driver": "macvlan"}])
def test_ipv6_of_a_network_that_is_not_predicted_is_no_finding(body: dict[str, Any]) -> None:
    document = shop(POLICY)
    document["networks"]["lan"] = {**body, "enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}

    assert [] == remarks(planned(document), "ipv6")


def test_an_internal_network_with_ipv6_is_a_breach_by_the_file_before_engine_27_and_sound_from_then_on() -> None:
    document = shop(POLICY)
    document["networks"]["back"] |= {"enable_ipv6": True, "ipam": {"config": [{"subnet": "fd00:7::/64"}]}}
    old, new = (planned(document, engine=engine) for engine in ("20.10", "27.0"))

    assert {"outside -> db:3306", "outside -> db:*", "db -> outside:*"} <= flow_texts(old, "breach")
    assert ["outside -> db", "db -> outside"] == [
        arrow
        for arrow in ("outside -> db", "db -> outside")
        if not any(a.startswith(arrow) for a in flow_texts(new, "breach"))
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"cap_add": ["SYS_PTRACE"]},
        {"cap_add": ["CHOWN"]},
        {"volumes": bind("/etc", read_only=True)},
        {"volumes": bind("/srv/data")},
        {"volumes": [{"type": "volume", "source": "etc", "target": "/etc"}]},
        {"pid": "service:db", "ipc": "private"},
    ],
)
def test_what_gives_a_service_no_power_over_others_is_no_finding(body: dict[str, Any]) -> None:
    plain, given = (planned(shop(POLICY, x=service("back", **more))) for more in ({}, body))

    assert plain.remarks == given.remarks


def test_a_network_whose_ipv6_the_engine_refuses_has_no_breach_over_it() -> None:
    """Docker before 27 has no subnets of its own for IPv6, so nothing is ever reached over it."""
    document = {"name": "shop", "services": {"a": service("net", ports=("80:80",))}, "networks": {"net": NO_SUBNET}}
    old, new = (planned(document, engine=engine) for engine in ("20.10", "27.0"))

    assert set() == flow_texts(old, "breach")
    assert ("undecided", 3) == (old.verdict.word, old.verdict.exit_code)
    assert ["networks.net.enable_ipv6"] == [part.what for part in old.coverage.skipped]
    assert [] == new.coverage.skipped


NO_SUBNET: dict[str, Any] = {"name": "shop_net", "enable_ipv6": True}


def beside_external(policy: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return two services with a common bridge, one of them also on a network that the file does not describe."""
    return {
        "name": "shop",
        "services": {"app": service("proxy", "default"), "db": service("default")},
        "networks": {"proxy": {"name": "proxy", "external": True}, "default": {"name": "shop_default"}},
    } | ({"x-cloison": policy} if policy else {})


def predictions(plan: Plan) -> dict[tuple[str, str], set[str]]:
    """Return the predictions of all flows by source and target."""
    found: dict[tuple[str, str], set[str]] = {}
    for flow in plan.flows:
        ends = plan.vantages[flow.vantage].place, plan.endpoints[flow.endpoint].place
        found.setdefault(ends, set()).add(flow.predicted)
    return found


def test_a_common_bridge_decides_whatever_an_external_network_is() -> None:
    plan = planned(beside_external())
    found = predictions(plan)

    assert [{"open"}] * 2 == [found[pair] for pair in (("app", "db"), ("db", "app"))]
    assert {"open", "shut"} == found["db", "host"]  # it has no IPv6
    assert not {"app -> db:*", "db -> app:*", "db -> host:*"} & flow_texts(plan, "unknown")
    assert "unknown" in found["app", "outside"]
    for external in ("bridge", "internal"):
        decided = predictions(planned(beside_external(), external=external))
        assert all("open" in decided[pair] for pair in (("app", "db"), ("db", "app"), ("db", "host")))


def test_a_toleration_of_the_common_bridge_covers_what_is_open_over_it() -> None:
    tolerated = [{"network": "default"}, {"flow": "* -> host"}, {"flow": "* -> outside"}]
    policy = {"allow": [], "tolerate": [{**entry, "why": "x"} for entry in tolerated]}

    plan = planned(beside_external(policy))

    assert set() == flow_texts(plan, "breach")
    assert {"db -> app:*", "app -> db:*"} <= flow_texts(plan, "tolerated")


def test_what_an_external_network_decides_names_the_option_that_assumes_its_kind() -> None:
    text = report.render(planned(beside_external()), color=False, width=120, strict=False)

    assert "cloison plan --external bridge|internal" in text
    assert "whether proxy is internal" in text


def test_every_kind_of_lint_finding_is_tested() -> None:
    tried = next(
        mark for mark in test_what_the_file_says_is_remarked_at_its_key.pytestmark if mark.name == "parametrize"
    )

    assert {*LintKind} - {"undeclared"} == {row[0] for row in tried.args[1]}


def test_every_judgement_to_act_on_has_an_entry() -> None:
    assert {*Judgement} - {Judgement.HOLDS, Judgement.UNJUDGED} == set(report.ENTRY_TEMPLATES)


def test_a_service_in_the_hosts_namespace_reaches_its_bridges_and_other_networks_are_unknown() -> None:
    document = shop(agent=service(network_mode="host"), far=service("lan"))
    document["networks"] |= LAN
    plan = planned(document)
    found = {
        plan.endpoints[flow.endpoint].place: flow.predicted
        for flow in plan.flows
        if plan.vantages[flow.vantage].place == "agent"
    }

    assert (Reach.OPEN, Reach.UNKNOWN) == (found["db"], found["far"])


def test_a_proposal_that_changes_no_open_pair_has_no_effects() -> None:
    alone = ProposedNetworkPart("back", internal=True, members=["db"], is_new=True)
    nothing = ProposalPart([alone], [], [], opens=[], shuts=[], leaves_open=[], exact=True, yaml="")

    assert [] == list(report._effects(nothing))  # noqa: SLF001  # what is not there leaves no line


@pytest.mark.parametrize(
    "policy",
    [
        {"allow": [*ALLOW, "proxy -> host:5432"]},
        {"allow": ALLOW, "tolerate": [{"flow": "proxy -> host:5432", "why": "the old database"}]},
    ],
)
def test_a_port_of_the_host_that_the_policy_names_is_assumed_and_reported(policy: dict[str, Any]) -> None:
    plan = planned(shop(policy))
    ports = {end.service_port for end in plan.endpoints if end.place == "host"}
    judged = {
        (plan.vantages[flow.vantage].place, flow.predicted, flow.judgement)
        for flow in plan.flows
        if plan.endpoints[flow.endpoint].place == "host" and plan.endpoints[flow.endpoint].service_port == 5432
    }
    meant = Judgement.HOLDS if len(policy) == 1 else Judgement.TOLERATED

    assert {0, 5432} == ports
    assert ("proxy", Reach.OPEN, meant) in judged
    assert ("app", Reach.OPEN, Judgement.BREACH) in judged
    assert ["port 5432/tcp of host is not in any Compose file; the plan assumes a listener"] == [
        finding.says for finding in plan.remarks if finding.kind is LintKind.UNDECLARED
    ]
