from __future__ import annotations

from dataclasses import replace

import pytest

from cloison.findings.engine_cves import SETTINGS, UNLESS_BACKPORTED, VULNERABILITIES, EngineContext, risks
from cloison.findings.host_facts import DaemonFacts, HostFacts
from cloison.model.facts import Attachment, Container, EngineFacts, Facts, NetworkFacts, PublishedPort
from cloison.model.flow import Protocol

MEMBER = Container(
    "shop-a-1",
    "a",
    "shop",
    "a",
    7,
    "",
    attachments=(Attachment("back", "198.18.0.2"),),
    published_ports=(PublishedPort("127.0.0.1", 8080, Protocol.TCP, 80),),
)
NEIGHBOUR = replace(MEMBER, name="shop-b-1", network_mode="host", attachments=(), published_ports=())
NETWORKS = (
    NetworkFacts("back", internal=True),
    NetworkFacts("front"),
    NetworkFacts("mesh", driver="overlay", options=(("encrypted", ""),)),
)
MACHINE = HostFacts(firewalld=True, resolvers=("127.0.0.53",))
"""Everything matters here, as long as the version is old enough."""
UNREAD_DAEMON = DaemonFacts()


def context(
    text: str, host: HostFacts = MACHINE, platform: str = "", daemon: DaemonFacts = UNREAD_DAEMON
) -> EngineContext:
    engine = EngineFacts("docker", text, platform=platform)
    return EngineContext(Facts(engine, (MEMBER, NEIGHBOUR), NETWORKS), host, daemon, "shop")


def what(there: EngineContext) -> list[str]:
    return [finding.what for finding in risks(there)]


BOUNDARIES = [
    ("CVE-2020-15257", "19.03.13", "19.03.14"),
    ("CVE-2020-13401", "19.03.10", "19.03.11"),
    ("CVE-2023-28841", "20.10.23", "20.10.24+dfsg1"),
    ("CVE-2023-28841", "23.0.2", "23.0.3"),
    ("CVE-2024-29018", "20.10.24+dfsg1", "23.0.11"),
    ("CVE-2024-29018", "23.0.10", "23.0.11"),
    ("CVE-2024-29018", "24.0.9", "23.0.15"),
    ("CVE-2024-29018", "25.0.4", "25.0.5"),
    ("CVE-2024-29018", "26.0.0-rc2", "26.0.0-rc3"),
    ("CVE-2024-29018", "26.0.0-beta.1", "26.1.5"),
    ("CVE-2024-32473", "26.0.0", "25.0.5"),
    ("CVE-2024-32473", "26.0.1", "26.0.2"),
    ("loopback-published", "27.5.1", "28.0.0"),
    ("loopback-published", "28.0.0-rc.3", "28.0.1"),
    ("CVE-2025-54388", "28.2.0", "28.1.1"),
    ("CVE-2025-54388", "28.3.2", "28.3.3"),
    ("CVE-2025-54410", "25.0.12", "25.0.13"),
    ("CVE-2025-54410", "27.5.1", "28.0.0"),
    ("CVE-2025-54410", "26.0.0-rc1", "25.0.14"),
]


@pytest.mark.parametrize(("hole", "affected", "mended"), BOUNDARIES)
def test_a_hole_is_told_up_to_the_version_that_mends_it(hole: str, affected: str, mended: str) -> None:
    assert hole in what(context(affected))
    assert hole not in what(context(mended))


def test_every_hole_has_its_boundaries_tested() -> None:
    assert {vulnerability.what for vulnerability in VULNERABILITIES} == {hole for hole, _, _ in BOUNDARIES} | {
        "CVE-2025-9074"
    }


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("Docker Desktop 4.44.2 (202017)", True),
        ("Docker Desktop 4.44.3 (202357)", False),
        ("Docker Engine - Community", False),
        ("", False),
    ],
)
def test_docker_desktop_has_versions_of_its_own(platform: str, expected: bool) -> None:
    assert expected == ("CVE-2025-9074" in what(context("28.3.0", platform=platform)))


def test_a_sentence_says_that_a_distribution_may_know_better() -> None:
    (found,) = [f for f in risks(context("20.10.24+dfsg1")) if f.what == "CVE-2024-29018"]

    assert found.sentence.endswith(UNLESS_BACKPORTED)
    assert found.evidence == "version 20.10.24+dfsg1; back is internal, and the host's resolver is 127.0.0.53"
    assert found.where == "engine"


def test_ipv6_that_is_left_on_concerns_networks_without_ipv6() -> None:
    found = {finding.what: finding for finding in risks(context("26.0.1+dfsg1"))}
    facts = Facts(EngineFacts("docker", "26.0.1"), (MEMBER,), (NetworkFacts("back", subnets=("fd00::/64",)),))
    dual_stack = EngineContext(facts, MACHINE, UNREAD_DAEMON, "shop")

    assert found["CVE-2024-32473"].evidence == "version 26.0.1+dfsg1; back has no IPv6"
    assert "CVE-2024-32473" not in what(dual_stack)


def test_what_nobody_can_use_here_is_not_said() -> None:
    nothing = EngineContext(
        Facts(EngineFacts("docker", "1.13.0"), (replace(MEMBER, attachments=(), published_ports=()),), ()),
        HostFacts(firewalld=False, resolvers=()),
        UNREAD_DAEMON,
        "shop",
    )

    assert risks(nothing) == []


@pytest.mark.parametrize(
    ("resolvers", "expected"),
    [
        (("127.0.0.53",), "the host's resolver is 127.0.0.53"),
        (("::1", "192.0.2.1"), "the host's resolver is ::1"),
        (None, "the host's resolvers are unreadable"),
        (("192.0.2.1", "odd"), ""),
        ((), ""),
    ],
)
def test_names_leave_an_internal_network_where_the_host_asks_itself(
    resolvers: tuple[str, ...] | None, expected: str
) -> None:
    found = [f for f in risks(context("20.10.24", replace(MACHINE, resolvers=resolvers))) if "29018" in f.what]

    assert [bool(expected)] == [bool(found)]
    assert all(expected in finding.evidence for finding in found)


@pytest.mark.parametrize("state", [False, None])
def test_firewalld_must_run_for_its_reload_to_matter(state: bool | None) -> None:
    host = replace(MACHINE, firewalld=state)
    told = {*what(context("27.0.0", host)), *what(context("28.2.0", host))}

    assert told & {"CVE-2025-54388", "CVE-2025-54410"} == set()


def test_ports_of_other_projects_are_not_ours() -> None:
    there = context("27.0.0")
    strange = replace(there, project="other")

    assert "loopback-published" in what(there)
    assert "loopback-published" not in what(strange)


def test_an_engine_without_a_version_may_have_any_hole() -> None:
    assert what(context("dev")) == ["version"]


@pytest.mark.parametrize("version", ["4.3.1", "dev"])
def test_an_engine_without_known_vulnerabilities_has_no_risk(version: str) -> None:
    assert risks(context(version), vulnerabilities=()) == []


@pytest.mark.parametrize(
    ("daemon", "expected"),
    [
        (DaemonFacts(flags=(("iptables", "false"),)), "no-rules"),
        (DaemonFacts(flags=(("ip6tables", "false"),)), "no-rules-ipv6"),
        (DaemonFacts(flags=(("allow-direct-routing", "true"),)), "direct-routing"),
        (DaemonFacts(raw_table_allowed=False), "no-raw-rules"),
    ],
)
def test_a_daemon_whose_options_disable_isolation_is_a_finding(daemon: DaemonFacts, expected: str) -> None:
    found = risks(context("29.0.0", daemon=daemon))

    assert [f.what for f in found] == [expected]
    assert found[0].evidence


def test_a_daemon_that_was_told_the_usual_is_no_finding() -> None:
    usual = DaemonFacts(flags=(("iptables", "true"), ("allow-direct-routing", "false")), raw_table_allowed=True)

    assert what(context("29.0.0", daemon=usual)) == what(context("29.0.0")) == []
    assert len(SETTINGS) == 4
