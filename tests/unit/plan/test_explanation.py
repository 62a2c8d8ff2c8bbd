"""The sentences about the flows from one place to another."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.sample_documents import POLICY, service, shop

from cloison.compose import project as compose_project
from cloison.errors import PolicyError, UsageError
from cloison.plan.explanation import explained
from cloison.plan.synthetic_facts import Assumptions

WITHIN = "app and db share back, and Docker has no policy inside a network"


def told(source: str, target: str, policy: Any = POLICY, engine: str = "20.10", **changes: Any) -> list[str]:
    project = compose_project.project(shop(policy, **changes))
    return explained(project, Assumptions(engine), source, target)


def test_a_needed_flow_names_its_line_the_rule_and_the_network() -> None:
    assert [
        "app and db share the network back (internal).",
        f"app -> db:3306/tcp: the policy needs it by x-cloison.allow[2]; the file leaves it open: {WITHIN}.",
        "  To have it closed, remove x-cloison.allow[2] and see what `cloison plan` advises.",
    ] == told("app", "db:3306")


def test_every_port_of_a_service_is_explained_in_few_sentences() -> None:
    found = told("app", "db")

    assert 5 == len(found)
    assert any(
        line.startswith("app -> db, any other port: the policy tolerates it by x-cloison.tolerate[0]") for line in found
    )
    assert '  To allow it, add "app -> db" to x-cloison.allow. To have it closed, remove x-cloison.tolerate[0]' in str(
        found
    )


def test_a_port_that_nothing_declares_is_one_of_the_others() -> None:
    assert told("app", "db:9999/udp")[1].startswith("app -> db, any other port of udp: the policy tolerates it")


def test_a_breach_says_how_to_close_allow_or_tolerate_it() -> None:
    rules = {**POLICY, "tolerate": POLICY["tolerate"][:1]}
    found = told("proxy", "outside", rules)

    assert "the policy does not name it, so it should be closed; the file leaves it open" in found[0]
    assert "To close it: " in found[1] or 'To allow it, add "proxy -> outside" to x-cloison.allow. ' in found[1]
    assert 'To tolerate it, add {flow: "proxy -> outside", why: …} to x-cloison.tolerate' in found[1]


def test_a_breach_without_advice_is_allowed_or_tolerated() -> None:
    found = told("app", "host", {"allow": POLICY["allow"]})

    assert found[1].startswith(("  To close it: ", '  To allow it, add "app -> host"'))


def test_a_broken_flow_says_how_to_repair_it() -> None:
    alone = service("front", expose=(9000,))
    found = told("app", "far:9000", {**POLICY, "allow": [*POLICY["allow"], "app -> far:9000"]}, far=alone)

    assert "app and far share no network." == found[0]
    assert "the policy needs it by x-cloison.allow[3]; the file leaves it closed" in found[1]
    assert found[2].startswith("  To repair it: ")


def test_a_closed_flow_says_how_to_open_it() -> None:
    found = told("app", "outside")

    assert found[0].startswith(
        "app -> outside: the policy does not name it, so it should be closed; the file leaves it closed"
    )
    assert '  To allow it, add "app -> outside" to x-cloison.allow, and open it in the file.' == found[1]


def test_a_flow_from_the_host_is_not_judged() -> None:
    found = told("host", "proxy:80")

    assert all("the policy does not name the host as its source" in line for line in found)
    assert any("proxy:80/tcp as published on the host" in line for line in found)


def test_an_optional_flow_is_allowed() -> None:
    rules = {**POLICY, "allow": [*POLICY["allow"], "* -> far:9000/udp"]}

    assert "the policy allows it by x-cloison.allow[3]" in told("app", "far:9000/udp", rules, far=service("front"))[1]


def test_a_range_is_named_with_both_ends() -> None:
    media = {"networks": {"back": None}, "expose": ["8000-8100/udp"]}
    found = told("app", "media:8050/udp", {**POLICY, "allow": ["app -> media:8000-8100/udp"]}, media=media)

    assert found[1].startswith("app -> media:8000-8100/udp: the policy needs it by x-cloison.allow[0]")
    assert 'add "app -> media:8000-8100/udp"' in str(told("app", "media:8050/udp", media=media))


def test_services_of_one_namespace_and_of_several_networks_are_named() -> None:
    side = {"network_mode": "service:db"}

    assert "side and db share one network namespace." == told("side", "db", side=side)[0]
    assert (
        "app and two share the networks back (internal), front."
        == told("app", "two", app=service("back", "front"), two=service("front", "back"))[0]
    )
    assert (
        "one and two share the network bridge."
        == told("one", "two", one={"network_mode": "bridge"}, two={"network_mode": "bridge"})[0]
    )


def test_without_a_policy_the_file_decides() -> None:
    assert [
        "app and db share the network back (internal).",
        (
            "app -> db:3306/tcp: the project has no policy, and the file is meant to open it; "
            f"the file leaves it open: {WITHIN}."
        ),
        "To have a policy, let `cloison init` draft one.",
    ] == told("app", "db:3306", None)


def test_what_is_not_known_is_not_decided() -> None:
    document = shop(None, one=service("lent"), two=service("lent"))
    document["networks"]["lent"] = {"external": True}
    found = explained(compose_project.project(document), Assumptions(), "one", "two")

    assert "the project has no policy, and the file does not decide; the file leaves it not predicted" in found[1]
    rules = {**document, "x-cloison": {"allow": ["one -> two"]}}
    assert "the policy needs it" in explained(compose_project.project(rules), Assumptions(), "one", "two")[1]


def test_via_that_is_not_certain_is_undecided() -> None:
    rules = {**POLICY, "allow": ["proxy -> outside via front"]}

    assert "the policy needs it by x-cloison.allow[0]" in told("proxy", "outside", rules)[0]


def test_an_unknown_place_and_a_pair_without_a_flow_are_errors() -> None:
    with pytest.raises(PolicyError, match='no service "dbb"'):
        told("app", "dbb")
    with pytest.raises(UsageError, match="no flow leads from host to outside"):
        told("host", "outside")
