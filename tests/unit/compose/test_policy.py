from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fake_engine import BACK, POLICY, STACK, FakeEngine, foreign_container, label, labels

from cloison.compose import policy
from cloison.compose.flow_rule import PolicyRule, without_places
from cloison.compose.policy import Policy, Toleration, tolerated_devices
from cloison.compose.policy_key import without_policy
from cloison.errors import PolicyError
from cloison.model.flow import Protocol

TCP, UDP = Protocol.TCP, Protocol.UDP


def read(raw: Any, deployment: FakeEngine = STACK) -> Policy | None:
    """Return the policy of the stack with these rules."""
    return policy.policy(FakeEngine({**deployment.file, "x-cloison": raw}, deployment.facts).project)


def test_a_file_without_a_policy_has_none() -> None:
    assert policy.policy(STACK.project) is None


def test_an_empty_policy_key_is_refused() -> None:
    with pytest.raises(PolicyError, match="x-cloison: the policy is empty"):
        read(None)


@pytest.mark.parametrize("raw", [{}, {"allow": None, "tolerate": None}, {"allow": [], "tolerate": []}])
def test_an_empty_policy_allows_nothing(raw: dict[str, Any]) -> None:
    assert Policy((), ()) == read(raw)


@pytest.mark.parametrize(
    ("text", "arrow"),
    [
        ("app -> db:3306", ("app", "db", 3306, TCP)),
        ("app->db", ("app", "db", None, TCP)),
        ("  app  ->  db:53/udp ", ("app", "db", 53, UDP)),
        ("outside -> proxy:80/tcp", ("outside", "proxy", 80, TCP)),
        ("* -> *", ("*", "*", None, TCP)),
        ("host -> db:65535", ("host", "db", 65535, TCP)),
        ("proxy -> outside", ("proxy", "outside", None, TCP)),
    ],
)
def test_a_flow_rule_is_parsed(text: str, arrow: tuple[str, str, int | None, Protocol]) -> None:
    assert Policy((PolicyRule(*arrow, "x-cloison.allow[0]", " ".join(text.split())),), ()) == read({"allow": [text]})


def test_tolerations_have_a_subject_and_a_reason() -> None:
    rules = read(POLICY)

    assert rules is not None
    assert ["network backend_net", "proxy -> outside", "* -> host"] == [item.text for item in rules.tolerate]
    assert [f"x-cloison.tolerate[{i}]" for i in range(3)] == [item.where for item in rules.tolerate]
    assert "Docker has no policy inside a network." == rules.tolerate[0].why


def test_a_reason_is_trimmed() -> None:
    expected = Policy((), (Toleration("known", "x-cloison.tolerate[0]", network="backend_net"),))

    assert expected == read({"tolerate": [{"network": "backend_net", "why": " known\n"}]})


def test_a_device_may_be_tolerated_by_name() -> None:
    rules = read({"tolerate": [{"device": "eth0@app-1", "why": "known"}]})
    expected = Policy((), (Toleration("known", "x-cloison.tolerate[0]", device="eth0@app-1"),))

    assert expected == rules
    assert "device eth0@app-1" == expected.tolerate[0].text
    assert {"eth0@app-1"} == tolerated_devices(rules)
    assert not tolerated_devices(None)


def tolerating(**body: Any) -> dict[str, Any]:
    return {"tolerate": [{"why": "known", **body}]}


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ([], "x-cloison: expected a mapping with allow, enforce, groups, tolerate, found []"),
        ("allow", "x-cloison: expected a mapping with allow, enforce, groups, tolerate, found 'allow'"),
        ({"alow": []}, 'x-cloison: no key "alow" (did you mean "allow"?)'),
        ({"forbid": []}, 'x-cloison: no key "forbid"; known names: allow, enforce, groups, tolerate'),
        ({"allow": "app -> db"}, "x-cloison.allow: expected a list, found 'app -> db'"),
        ({"allow": {}}, "x-cloison.allow: expected a list, found {}"),
        ({"allow": ["app to db"]}, "x-cloison.allow[0]: 'app to db' is not a flow; write \"source -> target"),
        ({"allow": ["app -> db:3306", 3]}, "x-cloison.allow[1]: 3 is not a flow"),
        ({"allow": ["app -> db:"]}, "x-cloison.allow[0]: '' is not a port; write a number or a range of 1 to 65535"),
        ({"allow": ["app -> db:-1"]}, "'-1' is not a port"),
        ({"allow": ["app -> db:123456"]}, "'123456' is not a port"),
        ({"allow": ["app -> db:3306/"]}, 'no protocol ""; write tcp, udp or sctp'),
        ({"allow": ["app -> db:http"]}, "x-cloison.allow[0]: 'http' is not a port; write 80"),
        ({"allow": ["app -> db:80/udp,81"]}, "the protocol of 80/udp, 81 belongs after the last port; write two rules"),
        ({"allow": ["app -> db:81-80"]}, "x-cloison.allow[0]: 81-80 is not a range; write the smaller port first"),
        ({"allow": ["app -> db:80-0"]}, "0 is not a port; ports are 1 to 65535"),
        ({"allow": ["app -> db:80-80"]}, "80-80 is not a range"),
        ({"allow": ["app -> db:80-70000"]}, "70000 is not a port"),
        ({"allow": ["app => db:80"]}, "'app => db:80' is not a flow, the arrow is \"->\"; write \"app -> db:80\""),
        ({"allow": ["app > db:80"]}, 'write "app -> db:80"'),
        ({"allow": ["app>db"]}, 'write "app -> db"'),
        ({"allow": ["app --> db"]}, 'write "app -> db"'),
        ({"allow": ["app - > db"]}, 'write "app -> db"'),
        ({"allow": ["app → db"]}, 'write "app -> db"'),
        ({"allow": ["app, -> db"]}, "x-cloison.allow[0]: 'app,' has an empty name; remove the comma"),
        ({"allow": ["app -> db:80,"]}, "'db:80,' has an empty name; remove the comma"),
        ({"allow": ["app proxy -> db"]}, 'no service "app proxy"; separate names by commas'),
        ({"allow": ["app -> :80"]}, "x-cloison.allow[0]: ':80' is not a target; write \"source -> target"),
        ({"allow": ["app -> db/80"]}, "'db/80' is not a target"),
        ({"allow": ["app -> db:80, proxy"]}, 'x-cloison.allow[0]: "proxy" has no ports and "db" has; write'),
        ({"allow": [{"app -> db": 80}]}, 'this is a mapping; write the port without a space: "app -> db:80"'),
        ({"allow": [{"app": "db"}]}, "is not a flow"),
        ({"allow": ["app -> internet"]}, 'x-cloison.allow[0]: no service "internet"; did you mean "outside"?'),
        ({"allow": ["Localhost -> db"]}, 'no service "Localhost"; did you mean "host"?'),
        ({"allow": ["everyone -> db"]}, 'no service "everyone"; did you mean "*"?'),
        ({"allow": ["app -> outside via front"]}, 'x-cloison.allow[0]: no network "front"'),
        ({"groups": []}, "x-cloison.groups: expected a mapping of names to lists of services, found []"),
        ({"groups": {"all": "app, db"}}, "x-cloison.groups.all: expected a list of services, found 'app, db'; write ["),
        ({"groups": {"all": []}}, "x-cloison.groups.all: the group is empty; name its services, or remove it"),
        ({"groups": {"app": ["db"]}}, 'x-cloison.groups.app: "app" names a place already; give the group another name'),
        ({"groups": {"host": ["db"]}}, '"host" names a place already'),
        ({"groups": {"a b": ["db"]}}, "x-cloison.groups.a b: a group's name has letters, digits and . _ - only"),
        ({"groups": {1: ["db"]}}, "a group's name has letters"),
        ({"groups": {"all": ["apq"]}}, 'x-cloison.groups.all: no service "apq" (did you mean "app"?)'),
        ({"groups": {"all": ["app", "outside"]}}, '"outside" is not a service; a group has services only'),
        ({"groups": {"all": ["*"]}}, '"*" is not a service; a group has services only'),
        ({"groups": {"all": ["stranger:x"]}}, '"stranger:x" is not a service'),
        ({"groups": {"backs": ["app"]}, "allow": ["back -> db"]}, 'no service "back" (did you mean "backs"?)'),
        ({"allow": ["app -> "]}, "is not a flow"),
        ({"allow": ["app -> dbb:3306"]}, 'x-cloison.allow[0]: no service "dbb" (did you mean "db"?)'),
        ({"allow": ["apq -> db:3306"]}, 'x-cloison.allow[0]: no service "apq" (did you mean "app"?)'),
        ({"allow": ["zzz -> db"]}, 'no service "zzz"; known names: *, app, db, host, outside, proxy'),
        ({"allow": ["app -> db -> db"]}, "is not a flow"),
        ({"allow": ["app -> db:0"]}, "x-cloison.allow[0]: 0 is not a port; ports are 1 to 65535"),
        ({"allow": ["app -> db:65536"]}, "65536 is not a port"),
        ({"allow": ["app -> db:53/icmp"]}, 'x-cloison.allow[0]: no protocol "icmp"; write tcp, udp or sctp'),
        ({"tolerate": ["proxy -> outside"]}, "tolerate[0]: expected a mapping with device, flow, keep, network, why"),
        ({"tolerate": [{"flow": "proxy -> outside"}]}, "x-cloison.tolerate[0]: the toleration gives no reason"),
        (tolerating(flow="proxy -> outside", why=" "), "the toleration gives no reason"),
        (tolerating(flow="proxy -> outside", why=1), "the toleration gives no reason"),
        (tolerating(), "x-cloison.tolerate[0]: a toleration needs exactly one of `flow:`, `network:` and `device:`"),
        (tolerating(flow="a -> b", network="backend_net"), "needs exactly one of"),
        (tolerating(flow="db -> outsid"), 'x-cloison.tolerate[0].flow: no service "outsid" (did you mean "outside"?)'),
        (tolerating(network="backend-net"), '[0].network: no network "backend-net" (did you mean "backend_net"?)'),
        (tolerating(network=BACK), "no network"),
        (tolerating(network=["backend_net"]), "x-cloison.tolerate[0].network: no network"),
        (tolerating(network=None), "x-cloison.tolerate[0].network: no network"),
        (tolerating(device="eth1", network="backend_net"), "needs exactly one of"),
        (tolerating(device=""), "x-cloison.tolerate[0].device: '' is not a device; write the name"),
        (tolerating(device="et h1"), "is not a device"),
        (tolerating(device=1), "x-cloison.tolerate[0].device: 1 is not a device"),
        (tolerating(network="backend_net", because="x"), 'x-cloison.tolerate[0]: no key "because"'),
    ],
)  # fmt: skip
def test_an_invalid_policy_is_refused_with_its_position(raw: Any, sentence: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read(raw)

    assert sentence in str(caught.value)


def test_a_project_without_networks_has_none_to_suggest() -> None:
    bare = FakeEngine({"name": "bare", "services": {}}, STACK.facts)

    with pytest.raises(PolicyError, match="known names: none"):
        read(tolerating(network="net"), bare)


NAMES = st.sampled_from(["app", "db", "proxy", "host", "outside", "*", "dump", "", "->", "app:80"])
ARROWS = st.builds(
    "{}{}{}{}{}".format,
    NAMES,
    st.sampled_from([" -> ", "->", " - > ", "\n->\t"]),
    NAMES,
    st.sampled_from(["", ":", ":0", ":80", ":٨٠", ":99999", ":3306"]),
    st.sampled_from(["", "/", "/tcp", "/udp", "/sctp", "/TCP", "/x"]),
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | ARROWS
RAW = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["allow", "tolerate", "flow", "network", "why"]) | st.text(max_size=4), inner)
    ),
    max_leaves=20,
)
TOLERATIONS = st.fixed_dictionaries(
    {},
    optional={"flow": ARROWS | RAW, "network": st.sampled_from(["backend_net", "x"]) | RAW, "why": st.just("w") | RAW},
)
SHAPED = st.fixed_dictionaries({}, optional={"allow": st.lists(ARROWS | RAW), "tolerate": st.lists(TOLERATIONS | RAW)})


@given(RAW | SHAPED)
def test_any_value_is_a_policy_or_a_policy_error(raw: Any) -> None:
    try:
        said: Policy | str | None = read(raw)
    except PolicyError as error:
        said = str(error)

    assert isinstance(said, Policy) or str(said).startswith("x-cloison")


@given(st.lists(ARROWS))
def test_a_parsed_rule_names_existing_places_and_a_valid_port(texts: list[str]) -> None:
    places = {"app", "db", "proxy", "host", "outside", "*"}
    for text in texts:
        try:
            rules = read({"allow": [text]})
        except PolicyError:
            continue
        assert rules is not None
        assert {rules.allow[0].source, rules.allow[0].target} <= places
        assert rules.allow[0].port is None or 0 < rules.allow[0].port < 65536


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("app -> db:3306", ["app-1 -> db-1:3306 on backend_net"]),
        ("app -> db", [f"app-1 -> db-1:{port} on backend_net" for port in ("*", "*/udp", "3306")]),
        ("proxy -> outside", ["proxy-1 -> outside:*", "proxy-1 -> outside:*/udp"]),
        ("* -> db:3306", [f"{name} -> db-1:3306 on backend_net" for name in ("app-1", "proxy-1")]),
        ("* -> outside", [f"{name}-1 -> outside:{port}" for name in ("app", "db", "proxy") for port in ("*", "*/udp")]),
        ("host -> db:3306", ["host -> db-1:3306 on backend_net"]),
        ("db -> db", []),
        ("app -> db:3306/udp", []),
        ("app -> db:3307", []),
    ],
)
def test_a_rule_matches_the_flows_that_it_names(text: str, named: list[str]) -> None:
    rules = read({"allow": [text]})

    assert rules is not None
    assert named == labels(flow for flow in STACK.flows() if rules.allow[0].matches(flow))


def test_a_published_port_is_named_by_the_port_of_its_service() -> None:
    rules = read({"allow": ["outside -> proxy:80"]})

    assert rules is not None
    assert "outside -> proxy-1:80 at 192.0.2.10:8080" in labels(f for f in STACK.flows() if rules.allow[0].matches(f))


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (
            {"allow": ["app -> db:5432"]},
            'x-cloison.allow[0]: service "db" has no port 5432/tcp; it has 3306/tcp. Declare a port that has no',
        ),
        (tolerating(flow="app -> db:5432"), 'x-cloison.tolerate[0].flow: service "db" has no port 5432/tcp'),
        ({"allow": ["app -> db:3306/udp"]}, 'service "db" has no port 3306/udp'),
        ({"allow": ["app -> mute:1"]}, 'service "mute" has no port 1/tcp; it has no listener.'),
    ],
)
def test_a_port_that_a_running_service_does_not_have_is_refused(rules: dict[str, Any], sentence: str) -> None:
    known = {"db": {(TCP, 3306)}, "mute": set[tuple[Protocol, int]]()}
    parsed = read(rules, STACK.with_service("mute"))

    assert parsed is not None
    with pytest.raises(PolicyError) as caught:
        policy.check_ports(parsed, known)

    assert sentence in str(caught.value)
    assert str(caught.value).endswith(" has no listener yet with `expose`")


@pytest.mark.parametrize(
    "rules",
    [
        {"allow": ["app -> db:3306"]},
        {"allow": ["app -> db"]},
        {"allow": ["app -> proxy:81"]},  # proxy does not run, so its ports are not known
        {"allow": ["* -> *:81"]},
        tolerating(network="backend_net"),
        tolerating(flow="app -> outside"),
    ],
)
def test_a_port_that_is_known_or_cannot_be_known_is_accepted(rules: dict[str, Any]) -> None:
    parsed = read(rules)

    assert parsed is not None
    policy.check_ports(parsed, {"db": {(TCP, 3306)}})


@pytest.mark.parametrize("text", ["db -> db", "host -> outside", "outside -> host", "* -> *:81"])
def test_a_rule_that_matches_no_flow_is_refused(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        STACK.with_policy({"allow": [text]}).flows()

    assert str(caught.value).startswith(f'x-cloison.allow[0]: "{text}" matches no flow of this project; ')


def test_the_outside_has_no_ports_in_a_policy() -> None:
    with pytest.raises(PolicyError) as caught:
        read({"allow": ["app -> outside:443"]})

    sentence = 'x-cloison.allow[0]: "outside" has no ports in a policy; write "app -> outside"'
    assert sentence == str(caught.value)


def test_a_port_of_the_host_may_be_named() -> None:
    rules = read({"allow": ["app -> host:5432"]})

    assert rules is not None
    asked = STACK.with_listeners("", 22, 5432).flows()
    assert [
        "app-1 -> host:5432 at 192.0.2.10",
        "app-1 -> host:5432 on backend_net",
        "app-1 -> host:5432 on frontend_net",
    ] == labels(flow for flow in asked if rules.allow[0].matches(flow))


def test_a_port_of_the_host_without_a_listener_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        STACK.with_listeners("", 22).with_policy({"allow": ["app -> host:5432"]}).flows()

    sentence = (
        'x-cloison.allow[0]: "app -> host:5432" matches no flow of this project; '
        "no process of the host is known to listen on port 5432/tcp beyond loopback; "
        'start one, or write "app -> host", which covers every port'
    )
    assert sentence == str(caught.value)


def test_a_rule_about_a_completed_service_needs_no_flow() -> None:
    deployment = STACK.with_service("job", networks={"backend_net": None}).with_policy({"allow": ["job -> db:3306"]})
    rules = deployment.rules
    assert rules is not None

    policy.check_rules_match(rules, [], completed={"job"})
    with pytest.raises(PolicyError):
        policy.check_rules_match(rules, [])


def test_the_named_ports_are_those_that_the_policy_allows() -> None:
    rules = read({"allow": ["app -> db:3306", "proxy -> db:53/udp", "app -> proxy", "* -> *:1"]})

    assert {(TCP, 3306), (UDP, 53)} == policy.named_ports(rules, "db")
    assert set() == policy.named_ports(rules, "proxy") == policy.named_ports(None, "db")


def test_a_rule_about_a_side_car_applies_to_the_namespace_that_it_shares() -> None:
    rules = read({"allow": ["app -> dump:9000"]}, STACK.with_service("dump", network_mode="service:db"))

    assert rules is not None
    assert ("db", "app -> dump:9000") == (rules.allow[0].target, rules.allow[0].text)


BOTH: Final = {"groups": {"backends": ["app", "service:db"]}}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("app, proxy -> db:3306", [("app", "db", 3306, 0, TCP), ("proxy", "db", 3306, 0, TCP)]),
        ("app,proxy->db", [("app", "db", None, 0, TCP), ("proxy", "db", None, 0, TCP)]),
        ("app -> db:3306,33060", [("app", "db", 3306, 0, TCP), ("app", "db", 33060, 0, TCP)]),
        ("app -> db:53, 54/udp", [("app", "db", 53, 0, UDP), ("app", "db", 54, 0, UDP)]),
        ("app -> db:8000-8100/udp", [("app", "db", 8000, 8100, UDP)]),
        ("app -> db:80,90 - 95", [("app", "db", 80, 0, TCP), ("app", "db", 90, 95, TCP)]),
        ("app -> db, proxy", [("app", "db", None, 0, TCP), ("app", "proxy", None, 0, TCP)]),
        ("app -> db:1, proxy:2", [("app", "db", 1, 0, TCP), ("app", "proxy", 2, 0, TCP)]),
        ("app -> db, proxy:2", [("app", "db", 2, 0, TCP), ("app", "proxy", 2, 0, TCP)]),
        ("app, db -> db:1", [("app", "db", 1, 0, TCP)]),
        ("app, app -> db", [("app", "db", None, 0, TCP)]),
        ("db -> db", [("db", "db", None, 0, TCP)]),
        ("backends -> proxy", [("app", "proxy", None, 0, TCP), ("db", "proxy", None, 0, TCP)]),
        ("backends -> backends:9", [("app", "db", 9, 0, TCP), ("db", "app", 9, 0, TCP)]),
        ("proxy, backends -> db:1", [("proxy", "db", 1, 0, TCP), ("app", "db", 1, 0, TCP)]),
        ("service:app -> service:db:1", [("app", "db", 1, 0, TCP)]),
        ("stranger:grafana -> db:1", [("stranger:grafana", "db", 1, 0, TCP)]),
        ("app -> stranger:grafana:1", [("app", "stranger:grafana", 1, 0, TCP)]),
        ("app, host -> outside", [("app", "outside", None, 0, TCP), ("host", "outside", None, 0, TCP)]),
    ],
)
def test_lists_ranges_and_groups_are_one_rule_for_each_pair(
    text: str, parsed: list[tuple[str, str, int | None, int, Protocol]]
) -> None:
    rules = read({**BOTH, "allow": [text]})

    assert rules is not None
    assert parsed == [(r.source, r.target, r.port, r.last_port, r.protocol) for r in rules.allow]
    assert {("x-cloison.allow[0]", text)} == {(r.where, r.text) for r in rules.allow}


def test_a_range_covers_its_ports_and_names_its_ends() -> None:
    rules = read({"allow": ["app -> db:8000-8100/udp"]})

    assert rules is not None
    (rule,) = rules.allow
    assert [False, True, True, False] == [rule.covers("udp", port) for port in (7999, 8000, 8100, 8101)]
    assert not rule.covers("tcp", 8000)
    assert "8000-8100/udp" == rule.port_text
    assert {(UDP, 8000), (UDP, 8100)} == policy.named_ports(rules, "db")
    policy.check_ports(rules, {"db": {(UDP, 8050)}})
    with pytest.raises(PolicyError, match=r'service "db" has no port 8000-8100/udp; it has 80/tcp'):
        policy.check_ports(rules, {"db": {(TCP, 80)}})


def test_a_range_needs_only_the_ports_at_which_a_process_listens() -> None:
    deployment = STACK.with_policy({"allow": ["app -> db:3300-3306"]})
    found = {label(flow): intention.intent for flow, intention in deployment.intended().items()}

    assert ("open", "optional") == (
        found["app-1 -> db-1:3306 on backend_net"],
        found["app-1 -> db-1:3300 on backend_net"],
    )


def test_a_toleration_of_a_list_is_one_line_of_the_document() -> None:
    deployment = STACK.with_policy({**BOTH, "tolerate": [{"flow": "backends -> outside", "why": "updates"}]})
    part = deployment.proof().policy

    assert part is not None
    assert ["backends -> outside"] == [item.what for item in part.tolerate]
    assert {"backends": ["app", "db"]} == part.groups
    assert 1 == sum("x-cloison.tolerate[0]" in note for note in deployment.proof().notes)


def test_a_foreign_container_is_named_in_full() -> None:
    spy = foreign_container("spy", (BACK, "172.30.1.66"))
    named = STACK.with_containers(spy).with_policy({"allow": ["stranger:spy -> db:3306"]})
    anyone = STACK.with_containers(spy).with_policy({"allow": ["* -> db:3306"]})

    flow = "stranger:spy -> db-1:3306 on backend_net"
    intents = [
        {label(flow): item.intent for flow, item in deployment.intended().items()} for deployment in (named, anyone)
    ]
    assert ["open", "shut"] == [
        found[next(key for key in found if "spy" in key and ":3306" in key)] for found in intents
    ]
    assert flow
    with pytest.raises(PolicyError, match="no foreign container of this name is on a network of the project"):
        STACK.with_policy({"allow": ["stranger:spy -> db:3306"]}).flows()


@pytest.mark.parametrize("name", ["host", "outside"])
def test_a_service_may_have_the_name_of_another_place(name: str) -> None:
    deployment = STACK.with_service(name, networks={"backend_net": None})

    assert f"service:{name}" in deployment.project.services
    with pytest.raises(PolicyError) as refused:
        read({"allow": [f"{name} -> db"]}, deployment)
    assert str(refused.value) == (
        f'x-cloison.allow[0]: "{name}" is a service of the file and a word of the policy; write "service:{name}" '
        "for the service, or rename it"
    )
    rules = read({"allow": [f"service:{name} -> db"]}, deployment)
    assert rules is not None
    assert f"service:{name}" == rules.allow[0].source


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("it, vpn -> db:1,2", "it -> db:1,2"),
        ("it -> db:1, vpn:2", "it -> db:1"),
        ("it -> db, vpn", "it -> db"),
        ("vpn -> db", ""),
        ("it -> vpn:80", ""),
        ("it  ->  db", "it  ->  db"),
        ("nonsense", "nonsense"),
    ],
)
def test_places_are_removed_from_a_flow(text: str, kept: str) -> None:
    assert kept == without_places(text, {"vpn"})


@pytest.mark.parametrize("key", ["x-cloisons", "x-clioson", "X-Cloison"])
def test_a_key_that_is_nearly_the_policys_is_refused(key: str) -> None:
    with pytest.raises(PolicyError, match=f'{key}: no such key; the policy is the value of "x-cloison"'):
        _ = FakeEngine({**STACK.file, key: {}}, STACK.facts).project


def test_another_extension_is_not_the_policy() -> None:
    assert FakeEngine({**STACK.file, "x-logging": {}, "x-cloison-defaults": {}}, STACK.facts).project.policy is None


def test_a_policy_inside_a_service_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"services\.db\.x-cloison: the policy belongs at the top level of the file"):
        _ = STACK.with_service("db", **{"x-cloison": {}}).project


@pytest.mark.parametrize("text", ["outside -> proxy:8080", "app, outside -> proxy:80/udp"])
def test_a_port_that_a_service_does_not_publish_is_refused_for_the_outside(text: str) -> None:
    with pytest.raises(PolicyError) as refused:
        policy.check_publications(STACK.with_policy({"allow": [text]}).project)

    assert 'x-cloison.allow[0]: service "proxy" publishes no port ' in str(refused.value)
    assert "; it publishes 80/tcp (a policy names the container's port, not the host's)" in str(refused.value)


@pytest.mark.parametrize(
    "text", ["outside -> proxy", "outside -> proxy:79-81", "outside -> db:3306", "app -> proxy:81"]
)
def test_a_port_that_may_be_reached_is_accepted_for_the_outside(text: str) -> None:
    policy.check_publications(STACK.with_policy({"allow": [text]}).project)
    policy.check_publications(STACK.project)


def test_a_document_without_its_policy_has_nothing_that_is_taken_for_one() -> None:
    document = {
        "name": "p",
        "x-cloison": {},
        "x-cloisons": {},
        "x-other": 1,
        "services": {"web": {"image": "web", "x-cloison": {}}},
        "networks": {"front": None},
        "volumes": 5,
    }

    assert {
        "name": "p",
        "x-other": 1,
        "services": {"web": {"image": "web"}},
        "networks": {"front": None},
        "volumes": 5,
    } == without_policy(document)
