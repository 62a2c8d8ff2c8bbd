"""NetworkPolicy objects: valid by the schema, and open exactly where the policy is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml as plain_yaml  # type: ignore[import-untyped]  # the tests alone read YAML
from tests.unit.export.network_policy import Peer, is_open
from tests.unit.export.sample_exports import HOST_SERVICE, SHARER, shop
from tests.unit.plan.sample_documents import service

from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.errors import UsageError
from cloison.export.kubernetes import (
    ALLOW_DNS,
    DEFAULT_DENY,
    DNS,
    FROM_HOST,
    IN_HOST_NETWORK,
    LABEL,
    OUTSIDE_SOURCE,
    OUTSIDE_TARGET,
    SHARED,
    TO_HOST,
    exported,
    yaml,
)
from cloison.export.pairs import CLOSED, DEVICE, FOREIGN_LINE, VIA_LINE

SCHEMA = json.loads((Path(__file__).parent / "networkpolicy-networking-v1.json").read_text())
ALLOW = ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306", "proxy -> outside", "app -> db:6000-6010/udp"]


def checked(project: Project, rules: Policy, label: str = LABEL) -> tuple[dict[str, Any], list[str]]:
    """Return the objects by name, each valid, and the sentences."""
    objects, sentences = exported(project, rules, label)
    for found in objects:
        jsonschema.Draft7Validator(SCHEMA).validate(found)
    assert objects == list(plain_yaml.safe_load_all(yaml(objects)))
    return {found["metadata"]["name"]: found for found in objects}, sentences


def test_everything_is_closed_but_the_dns_and_what_the_policy_allows() -> None:
    found, sentences = checked(*shop(allow=ALLOW))

    assert ["cloison.default-deny", "cloison.allow-dns", "app", "db", "proxy"] == list(found)
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} == found["cloison.default-deny"]["spec"]
    assert [DNS] == found["cloison.allow-dns"]["spec"]["egress"]
    assert {
        "from": [{"podSelector": {"matchLabels": {LABEL: "app"}}}],
        "ports": [{"protocol": "TCP", "port": 3306}],
    } == (found["db"]["spec"]["ingress"][0])
    assert [{"protocol": "UDP", "port": 6000, "endPort": 6010}] == found["db"]["spec"]["ingress"][1]["ports"]
    assert ["Ingress"] == found["db"]["spec"]["policyTypes"]
    assert "x-cloison.allow[2]: app -> db:3306" in found["db"]["metadata"]["annotations"]["cloison/policy"]
    assert 2 == len(sentences)


def test_the_schema_refuses_what_the_server_refuses() -> None:
    found, _ = checked(*shop(allow=ALLOW))
    found["db"]["spec"]["ingres"] = []

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate(found["db"])


def test_another_label_names_the_pods() -> None:
    found, _ = checked(*shop(allow=ALLOW), label="app")

    assert {"matchLabels": {"app": "db"}} == found["db"]["spec"]["podSelector"]


@pytest.mark.parametrize("label", ["", "bad label!", "a/b/c", "-a", "a" * 64, "Upper/a", "a\n"])
def test_a_label_that_kubernetes_refuses_is_refused(label: str) -> None:
    with pytest.raises(UsageError, match="is no label of Kubernetes"):
        exported(*shop(allow=ALLOW), label)


@pytest.mark.parametrize("name", ["__", "a" * 64])
def test_a_service_without_a_name_in_kubernetes_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="rename it"):
        exported(*shop({name: service("back")}, allow=[]))


def test_no_service_replaces_what_closes_everything() -> None:
    names = ["default-deny", "allow-dns", DEFAULT_DENY.replace(".", "-"), "cloison_default-deny-"]
    for name in names:
        objects, _ = exported(*shop({name: service("back")}, allow=[f"{name} -> db:3306"]))
        found = [body["metadata"]["name"] for body in objects]
        assert len(set(found)) == len(found)
        assert {DEFAULT_DENY, ALLOW_DNS} < set(found)


def test_a_toleration_stays_open_with_keep_alone() -> None:
    kept = {"network": "back", "why": "shared", "keep": True}
    closed = {"flow": "db -> proxy", "why": "shared"}
    found, sentences = checked(*shop(tolerate=[kept, closed, {"device": "eth1", "why": "cable"}]))
    open_, _ = checked(*shop(tolerate=[{**closed, "keep": True}]))

    peers = [rule["from"][0]["podSelector"]["matchLabels"][LABEL] for rule in found["db"]["spec"]["ingress"]]
    assert ["app", "proxy"] == peers
    assert "ingress" in open_["proxy"]["spec"]
    assert [
        CLOSED.format(line="x-cloison.tolerate[1]: db -> proxy"),
        DEVICE.format(line="x-cloison.tolerate[2]: device eth1"),
    ] == sentences


def test_what_has_no_counterpart_is_a_sentence() -> None:
    allow = ["app -> host:53/udp", "host -> db:3306", "stranger:x -> db", "proxy -> outside via front", "agent -> db"]
    found, sentences = checked(*shop(HOST_SERVICE | SHARER, allow=allow))
    lines = [f"x-cloison.allow[{i}]: {text}" for i, text in enumerate(allow)]

    assert [
        FOREIGN_LINE.format(line=lines[2]),
        VIA_LINE.format(line=lines[3]),
        TO_HOST.format(reason=lines[0]),
        FROM_HOST.format(reason=lines[4]),
        FROM_HOST.format(reason=lines[1]),
        IN_HOST_NETWORK.format(name="agent"),
        SHARED.format(name="sidecar", owner="app"),
        OUTSIDE_TARGET,
    ] == sentences
    assert {"cloison.default-deny", "cloison.allow-dns", "proxy"} == found.keys()
    assert OUTSIDE_SOURCE in checked(*shop(allow=["outside -> proxy:80"]))[1]


def test_every_service_is_meant_by_a_star() -> None:
    found, _ = checked(*shop(HOST_SERVICE | SHARER, allow=["* -> db:3306"]))

    assert {"cloison.default-deny", "cloison.allow-dns", "app", "db", "proxy"} == found.keys()


def test_names_are_those_of_kubernetes_and_two_that_become_one_are_refused() -> None:
    found, _ = checked(*shop({"My_Job.1": service("back")}, allow=["My_Job.1 -> db"]))

    assert "my-job-1" in found
    with pytest.raises(UsageError, match="the services a-b and a_b would both be called a-b in Kubernetes"):
        exported(*shop({"a_b": service("back"), "a-b": service("back")}, allow=[]))


def test_a_service_with_egress_does_not_reach_a_published_port_of_a_pod() -> None:
    objects, _ = exported(*shop(allow=["outside -> proxy:80", "app -> outside"]))
    app, proxy = (Peer(f"10.244.0.{i}", {LABEL: name}) for i, name in enumerate(("app", "proxy")))
    outside = Peer("93.184.216.34", is_pod=False)

    assert is_open(objects, app, outside, ("tcp", 443))
    assert is_open(objects, outside, proxy, ("tcp", 80))
    assert not is_open(objects, app, proxy, ("tcp", 80))
    assert not is_open(objects, proxy, outside, ("tcp", 443))
