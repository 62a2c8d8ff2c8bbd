"""Breaches and broken flows of a running project are found with their causes; a sound project is proven."""

from __future__ import annotations

import pytest
from tests.integration.compose_project import (
    IMAGE,
    POLICY,
    Lab,
    docker,
    failures,
    judgements,
    rule,
    service,
    three_tiers,
)

from cloison.verdict.judge import Judgement

pytestmark = pytest.mark.engine


def test_a_project_without_breaches_is_proven(tiers: Lab) -> None:
    proof = tiers.prove()

    assert (proof.verdict.word, proof.verdict.exit_code) == ("proven", 0)
    assert proof.totals["drift"] + proof.totals["unknown"] == 0
    assert judgements(proof)["proxy", "app:5000"] == judgements(proof)["outside", "proxy:80"] == Judgement.HOLDS


def test_flows_inside_a_network_are_tolerated_by_its_name(tiers: Lab) -> None:
    proof = tiers.prove()

    tolerated = {flow for flow, word in judgements(proof).items() if word is Judgement.TOLERATED}
    assert {("proxy", "db:3306"), ("db", "app:5000"), ("proxy", "outside:*"), ("db", "host:*")} < tolerated


def test_an_attachment_that_the_file_does_not_have_is_drift(tiers: Lab) -> None:
    network = f"{tiers.name}_front"
    docker("network", "connect", network, tiers.container("db"))
    try:
        proof = tiers.prove()
    finally:
        docker("network", "disconnect", network, tiers.container("db"))

    found = failures(proof)
    assert {"drift"} == found["proxy", "db:3306"] == found["db", "outside:*"]
    reasons = [flow.reason for flow in proof.flows if flow.cause == "drift"]
    assert any("db is not on front in the file" in reason for reason in reasons)
    assert tiers.prove().verdict.word == "proven"


def test_a_network_that_is_not_internal_is_a_breach_by_the_file(lab: Lab) -> None:
    document = three_tiers()
    document["networks"]["back"] = {}
    lab.up(document)

    found = failures(lab.prove())

    assert {"file"} == found["db", "outside:*"] == found["app", "outside:*"]


def test_a_published_database_is_a_breach_by_the_file(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["db"] |= {"ports": ["198.19.255.1::3306"], "networks": ["back", "front"]}
    lab.up(document)

    found = failures(lab.prove())

    assert {"file"} == found["outside", "db:3306"]


def test_a_port_that_internal_keeps_unpublished_is_noted(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["db"]["ports"] = ["198.19.255.1::3306"]
    lab.up(document)

    proof = lab.prove()

    assert ("outside", "db:3306") not in failures(proof)
    assert any("publishes db:3306/tcp, but the engine does not" in note for note in proof.notes)


def test_a_firewall_rule_that_connects_two_bridges_is_drift(tiers: Lab) -> None:
    with rule("DOCKER-USER", "-j", "ACCEPT"):
        found = failures(tiers.prove())

    assert {"drift"} == found["outside", "db:3306"] == found["db", "outside:*"]
    assert tiers.prove().verdict.word == "proven"


def test_a_path_without_a_return_path_is_open(tiers: Lab) -> None:
    """A forged packet or a datagram needs no answer, so its arrival is enough."""
    network = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", f"{tiers.name}_back")
    with rule("DOCKER-USER", "-d", network, "-j", "ACCEPT"):
        proof = tiers.prove()

    assert {"drift"} == failures(proof)["outside", "db:3306"]
    assert "arrived" in {flow.outcome for flow in proof.flows if flow.cause == "drift"}


def test_a_foreign_container_on_the_network_is_named(tiers: Lab) -> None:
    name = f"{tiers.name}-stranger"
    docker("run", "-d", "--rm", "--name", name, "--network", f"{tiers.name}_back", "--entrypoint", "sleep",
           "--label", "com.docker.compose.project=another", "localhost/cloison/ledger:latest", "600")  # fmt: skip
    try:
        proof = tiers.prove()
    finally:
        docker("rm", "-f", name)

    assert {"drift"} == failures(proof)[f"stranger:{name}", "db:3306"]
    assert any(f"{name} of project another is on" in note for note in proof.notes)


def test_a_needed_flow_whose_packets_are_dropped_is_broken(tiers: Lab) -> None:
    target = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    with rule("DOCKER-USER", "-d", docker("inspect", "-f", target, tiers.container("app")), "-j", "DROP"):
        proof = tiers.prove()

    assert {"broken"} == failures(proof)["proxy", "app:5000"]
    assert proof.verdict.exit_code == 1


def test_a_needed_flow_whose_packets_are_rejected_is_broken(tiers: Lab) -> None:
    target = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", tiers.container("db"))
    reset = ("-p", "tcp", "--dport", "3306", "-j", "REJECT", "--reject-with", "tcp-reset")
    with rule("DOCKER-USER", "-d", target, *reset):
        proof = tiers.prove()

    assert {"broken"} == failures(proof)["app", "db:3306"]
    assert {"refused"} == {f.outcome for f in proof.flows if f.judgement is Judgement.BROKEN}


def test_a_needed_flow_over_a_lost_attachment_is_broken(tiers: Lab) -> None:
    network = f"{tiers.name}_back"
    docker("network", "disconnect", network, tiers.container("app"))
    try:
        proof = tiers.prove()
    finally:
        docker("network", "connect", "--alias", "app", network, tiers.container("app"))

    assert {"broken"} == failures(proof)["proxy", "app:5000"] == failures(proof)["app", "db:3306"]


def test_a_needed_port_without_a_listener_is_broken(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["app"] = service(5001, networks=["back"], expose=["5000"])
    lab.up(document)

    proof = lab.prove()

    assert {"broken"} == failures(proof)["proxy", "app:5000"]
    assert any("the endpoint does not answer" in flow.reason for flow in proof.flows)


def test_a_redirected_port_is_not_mistaken_for_the_intended_one(tiers: Lab) -> None:
    """A DNAT rule redirects the published port to the database, which answers."""
    target = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", tiers.container("db"))
    bindings = "{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}} {{.HostPort}} {{end}}{{end}}"
    words = docker("inspect", "-f", bindings, tiers.container("proxy")).split()
    port = words[words.index("198.19.255.1") + 1]
    redirect = ("-p", "tcp", "-d", "198.19.255.1", "--dport", port, "-j", "DNAT", "--to-destination", f"{target}:3306")
    tracked = ("-m", "conntrack")
    with (
        rule("-t", "nat", "PREROUTING", *redirect),
        rule("DOCKER-USER", "-d", target, *tracked, "--ctstate", "DNAT", "-j", "ACCEPT"),
        rule("DOCKER-USER", "-s", target, *tracked, "--ctdir", "REPLY", "-j", "ACCEPT"),
    ):
        proof = tiers.prove()

    assert {"unknown"} == failures(proof)["outside", "proxy:80"]
    assert any(f"arrived inside {tiers.container('db')}" in flow.reason for flow in proof.flows)


def test_without_a_policy_the_isolation_of_the_file_is_judged(lab: Lab) -> None:
    document = three_tiers()
    del document["x-cloison"]
    lab.up(document)

    with rule("DOCKER-USER", "-j", "ACCEPT"):
        opened = lab.prove()

    assert (lab.prove().verdict.word, opened.policy) == ("drawn", None)
    assert {"drift"} == failures(opened)["outside", "db:3306"]


def test_every_container_of_a_service_is_probed(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["app"]["deploy"] = {"replicas": 2}
    lab.up(document)

    proof = lab.prove()

    assert proof.verdict.word == "proven"
    assert sum(vantage.place == "app" for vantage in proof.vantages) == 2
    assert judgements(proof)["app", "app:5000"] == Judgement.TOLERATED


def test_containers_that_share_a_namespace_have_the_same_flows(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["side"] = service(7000, network_mode="service:app")
    document["x-cloison"] = POLICY | {"allow": [*POLICY["allow"], "side -> db:3306", "proxy -> side:5000"]}
    lab.up(document)

    proof = lab.prove()

    assert ("proven", 0) == (proof.verdict.word, proof.totals["drift"])
    assert Judgement.HOLDS == judgements(proof)["side", "db:3306"]
    assert Judgement.HOLDS == judgements(proof)["side", "app:5000"]


def test_a_foreign_container_on_an_engine_network_is_found(tiers: Lab) -> None:
    container, name = tiers.container("db"), f"{tiers.name}-stranger"
    docker("run", "-d", "--rm", "--name", name, "--entrypoint", "sleep", IMAGE, "600")
    docker("network", "connect", "bridge", container)
    try:
        found = failures(tiers.prove())
    finally:
        docker("network", "disconnect", "bridge", container)
        docker("rm", "-f", name)

    assert {"drift"} == found[f"stranger:{name}", "db:3306"] == found["db", "outside:*"]


def test_a_one_shot_service_that_has_ended_is_not_missing(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["job"] = {"image": IMAGE, "entrypoint": ["true"], "networks": ["back"]}
    document["services"]["app"]["depends_on"] = {"job": {"condition": "service_completed_successfully"}}
    lab.up(document)

    proof = lab.prove()

    assert ("proven", []) == (proof.verdict.word, proof.coverage.absent)
    assert any(part.what == "service job" for part in proof.coverage.skipped)


def test_a_container_called_outside_is_not_the_external_host(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["app"]["container_name"] = "outside"
    lab.up(document)

    proof = lab.prove()

    assert ("proven", 0) == (proof.verdict.word, proof.totals["drift"])
    assert Judgement.HOLDS == judgements(proof)["outside", "proxy:80"] == judgements(proof)["outside", "app:5000"]


def test_an_ipv6_only_listener_is_not_mistaken_for_ipv4(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["app"] = service(5000, address="::", family="AF_INET6", networks=["back"], expose=["5000"])
    lab.up(document)

    assert {"broken"} == failures(lab.prove())["proxy", "app:5000"]


def test_bridges_of_other_projects_are_left_out(tiers: Lab) -> None:
    name = f"{tiers.name}_others"
    docker("network", "create", name)
    try:
        gateway = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", name)
        asked = {end.address for end in tiers.prove().endpoints}
    finally:
        docker("network", "rm", name)

    assert gateway not in asked
    assert "198.19.255.1" in asked
