"""The JUnit report: a case for each line of the policy and each network, and it fails whenever the command does."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace
from tests.unit.reports.sample_contents import CONTENTS, PLANS
from tests.unit.reports.sample_proofs import PROOFS

from cloison.proof.schema import Proof, TolerationPart
from cloison.reports import junit
from cloison.reports.content import Content

WORDS = {"breach", "drift", "unknown", "tolerated"}


def cases(content: Content) -> dict[str, ET.Element]:
    """Return the cases of the document by their names."""
    root = ET.fromstring(junit.render(content).encode())  # noqa: S314  # the report's own
    return {case.get("name", ""): case for case in root.iter("testcase")}


def broken(content: Content) -> dict[str, str]:
    """Return the names of the cases that do not pass, and the element that says so."""
    return {name: part.tag for name, case in cases(content).items() for part in case if part.tag != "system-out"}


@pytest.mark.parametrize("content", CONTENTS)
def test_it_fails_whenever_the_command_does(content: Content) -> None:
    assert_agrees(content)


@pytest.mark.parametrize("fail_on", [names for size in range(5) for names in combinations(sorted(WORDS), size)])
def test_it_fails_as_far_as_fail_on_says(fail_on: tuple[str, ...]) -> None:
    for parameters in CONTENTS:
        (content,) = parameters.values
        assert isinstance(content, Content)
        assert_agrees(dataclasses.replace(content, fail_on=frozenset(fail_on)))


def assert_agrees(content: Content) -> None:
    """Exit code 1 is a failure at least, 3 is errors alone, and 0 is neither."""
    kinds = set(broken(content).values())

    expected = {0: set(), 1: {"failure"}, 3: {"error"}}[content.exit_code]
    assert expected == (kinds if content.exit_code != 1 else kinds & {"failure"})


def test_what_does_not_fail_is_still_said() -> None:
    content = Content(PROOFS["breach"](), fail_on=frozenset({"unknown"}))

    assert {} == broken(content)
    assert "does not fail: app reaches proxy:80: " in (cases(content)["front"][0].text or "")


def test_what_is_not_as_predicted_is_a_failure_where_drift_fails() -> None:
    proof = PROOFS["holds"]()
    flows = [replace(proof.flows[0], drift=True), *proof.flows[1:]]
    content = Content(replace(proof, flows=flows, totals=proof.totals | {"drift": 1}), fail_on=frozenset({"drift"}))

    assert 1 == content.exit_code
    assert ["failure"] == [*broken(content).values()]


def test_a_gap_is_said_where_it_does_not_fail() -> None:
    content = Content(unjudged(), fail_on=frozenset({"breach"}))

    assert {} == broken(content)
    assert "does not fail: no flow was judged" == cases(content)["everything was probed"][0].text


@pytest.mark.parametrize("content", CONTENTS)
def test_it_has_a_case_for_each_line_of_the_policy_and_each_network(content: Content) -> None:
    policy, networks = content.document.policy, content.document.project.networks
    lines = len(policy.allow) + len(policy.tolerate) if policy else 0

    assert lines + len(networks) + 2 == len(cases(content))


@pytest.mark.parametrize("content", CONTENTS)
def test_its_numbers_are_those_of_its_cases(content: Content) -> None:
    root = ET.fromstring(junit.render(content).encode())  # noqa: S314  # the report's own
    found = list(broken(content).values())

    assert [found.count("failure"), found.count("error")] == [
        int(root.get(name, "")) for name in ("failures", "errors")
    ]
    assert int(root.get("tests", "")) == sum(int(suite.get("tests", "")) for suite in root)


def test_a_toleration_passes_and_says_why() -> None:
    case = cases(Content(PROOFS["tolerated"]()))["tolerate[2]: * -> host"]

    (output,) = case
    assert ("system-out", "tolerated: the host's firewall is not this file's business") == (output.tag, output.text)


def test_strictly_a_toleration_fails() -> None:
    assert "failure" == broken(Content(PROOFS["tolerated"](), strict=True))["tolerate[2]: * -> host"]


def test_a_breach_is_a_failure_of_its_network_and_names_the_connection() -> None:
    case = cases(Content(PROOFS["breach"]()))["front"]

    assert "failure" == case[0].tag
    assert "app reaches proxy:80: " in (case[0].text or "")


def test_a_broken_connection_is_a_failure_of_its_line() -> None:
    assert "failure" == broken(Content(PROOFS["broken"]()))["allow[2]: app -> db:3306"]


def test_a_published_port_is_a_failure_without_a_network() -> None:
    assert "failure" == broken(Content(PLANS["breached"]()))[junit.ELSEWHERE]


def unjudged() -> Proof:
    proof = PROOFS["holds"]()
    return replace(proof, flows=[], totals={}, coverage=replace(proof.coverage, flows=0, complete=False))


def test_a_document_without_flows_is_an_error() -> None:
    assert {"everything was probed": "error"} == broken(Content(unjudged()))


def test_a_long_case_counts_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "MAX_LINES", 1)
    text = cases(Content(PLANS["breached"]()))["front"][0].text or ""

    assert 2 == len(text.splitlines())
    assert "more lines" in text


def test_no_text_breaks_out_of_the_document() -> None:
    proof = PROOFS["tolerated"]()
    assert proof.policy
    hostile = [TolerationPart('a"<b>&\x00\n', "]]></system-out>\x1b[1m"), *proof.policy.tolerate[1:]]
    found = cases(Content(replace(proof, policy=replace(proof.policy, tolerate=hostile))))

    (output,) = found['tolerate[0]: a"<b>&\ufffd']
    assert "tolerated: ]]></system-out>\ufffd[1m" == output.text
