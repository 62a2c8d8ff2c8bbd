from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fake_engine import BACK, POLICY, STACK, FakeEngine, labels

from cloison.compose import policy
from cloison.compose.policy import Policy, PolicyRule, Toleration, tolerated_devices
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
        ([], "x-cloison: expected a mapping with allow, tolerate, found []"),
        ("allow", "x-cloison: expected a mapping with allow, tolerate, found 'allow'"),
        ({"alow": []}, 'x-cloison: no key "alow" (did you mean "allow"?)'),
        ({"forbid": []}, 'x-cloison: no key "forbid"; known names: allow, tolerate'),
        ({"allow": "app -> db"}, "x-cloison.allow: expected a list, found 'app -> db'"),
        ({"allow": {}}, "x-cloison.allow: expected a list, found {}"),
        ({"allow": ["app to db"]}, "x-cloison.allow[0]: 'app to db' is not a flow; write \"source -> target"),
        ({"allow": ["app -> db:3306", 3]}, "x-cloison.allow[1]: 3 is not a flow"),
        ({"allow": ["app -> db:"]}, "is not a flow"),
        ({"allow": ["app -> db:-1"]}, "is not a flow"),
        ({"allow": ["app -> db:123456"]}, "is not a flow"),
        ({"allow": ["app -> db:3306/"]}, "is not a flow"),
        ({"allow": ["app -> "]}, "is not a flow"),
        ({"allow": ["app -> dbb:3306"]}, 'x-cloison.allow[0]: no service "dbb" (did you mean "db"?)'),
        ({"allow": ["apq -> db:3306"]}, 'x-cloison.allow[0]: no service "apq" (did you mean "app"?)'),
        ({"allow": ["zzz -> db"]}, 'no service "zzz"; known names: *, app, db, host, outside, proxy'),
        ({"allow": ["app -> db -> db"]}, "is not a flow"),
        ({"allow": ["app -> db:0"]}, "x-cloison.allow[0]: 0 is not a port; ports are 1 to 65535"),
        ({"allow": ["app -> db:65536"]}, "65536 is not a port"),
        ({"allow": ["app -> db:53/icmp"]}, 'x-cloison.allow[0]: no protocol "icmp"; write tcp, udp or sctp'),
        ({"tolerate": ["proxy -> outside"]}, "tolerate[0]: expected a mapping with device, flow, network, why"),
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
        ("* -> db:3306", [f"{name} -> db-1:3306 on backend_net" for name in ("app-1", "host", "outside", "proxy-1")]),
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
