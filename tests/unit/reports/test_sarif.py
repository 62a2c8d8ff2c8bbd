"""The SARIF report: valid, one result a connection, at the line that decides it, with a fingerprint that lasts."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace
from tests.unit.plan.sample_documents import POLICY, planned, service, shop
from tests.unit.reports.sample_contents import CONTENTS, PLANS
from tests.unit.reports.sample_proofs import PROOFS
from tests.unit.reports.sarif_schema import SCHEMA

from cloison.compose.positions import Position, Positions, read_positions
from cloison.plan.lint import LintKind
from cloison.proof.schema import SkippedPart
from cloison.reports import sarif
from cloison.reports.content import Content
from cloison.reports.sarif_rules import rule_text

FILE = Positions(("compose.yml",), {})


def run(content: Content, positions: Positions = FILE) -> Any:
    """Return the run of the log."""
    return json.loads(sarif.render(content, positions))["runs"][0]


def of_connections(found: Any) -> list[Any]:
    """Return the results about connections."""
    return [result for result in found["results"] if not result["ruleId"].startswith(("file/", "risk/"))]


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("positions", [FILE, Positions()], ids=["file", "no file"])
def test_it_is_valid(content: Content, positions: Positions) -> None:
    jsonschema.validate(json.loads(sarif.render(content, positions)), SCHEMA)


@pytest.mark.parametrize("content", CONTENTS)
def test_it_has_the_counts_of_every_other_report(content: Content) -> None:
    found = Counter(result["ruleId"].partition("/")[0] for result in of_connections(run(content)))

    assert found == content.summary.counts_of("breach", "broken", "unknown", "tolerated")


@pytest.mark.parametrize("content", CONTENTS)
def test_every_result_has_a_rule_with_help_and_a_fingerprint_of_its_own(content: Content) -> None:
    found = run(content)
    rules = found["tool"]["driver"]["rules"]

    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in found["results"])
    assert {rule["id"] for rule in rules} == {result["ruleId"] for result in found["results"]}
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in of_connections(found)]
    assert len(prints) == len(set(prints))


def test_a_toleration_is_suppressed_with_its_reason() -> None:
    results = of_connections(run(Content(PROOFS["tolerated"]())))

    reasons = {result["suppressions"][0]["justification"] for result in results}
    assert "the host's firewall is not this file's business" in reasons
    assert {"note"} == {result["level"] for result in results}


def test_strictly_a_toleration_is_an_error_that_nothing_suppresses() -> None:
    results = of_connections(run(Content(PROOFS["tolerated"](), strict=True)))

    assert [[]] * len(results) == [result["suppressions"] for result in results]
    assert {"error"} == {result["level"] for result in results}


@pytest.mark.parametrize(
    ("name", "fail_on", "levels"),
    [
        ("breach", {"breach"}, {"error"}),
        ("breach", set(), {"error"}),
        ("unknown", {"unknown"}, {"warning"}),
        ("unknown", {"breach"}, {"warning"}),
        ("tolerated", {"breach"}, {"note"}),
        ("tolerated", {"tolerated"}, {"error"}),
    ],
)
def test_what_makes_the_command_exit_with_1_is_an_error_and_a_breach_always_is(
    name: str, fail_on: set[str], levels: set[str]
) -> None:
    rule = {"breach": "breach/"}.get(name, name)
    results = of_connections(run(Content(PROOFS[name](), fail_on=frozenset(fail_on))))

    assert levels == {result["level"] for result in results if result["ruleId"].startswith(rule)}


COMPOSE = """\
services:
  app:
    networks: [back]
  db:
    networks:
      back: {}
    ports: ["3306:3306"]
  proxy:
    networks: [back, front]
networks:
  back: {}
  front: {}
x-cloison:
  allow:
    - outside -> proxy:80
    - proxy -> app:5000
    - app -> db:3306
  tolerate:
    - {network: back, why: x}
    - {flow: proxy -> outside, why: x}
    - {flow: '* -> host', why: x}
"""


def lines(content: Content) -> dict[str, int]:
    """Return the line of each result by the connection or the path that it names."""
    found = run(content, read_positions([("sub folder/compose.yml", COMPOSE)]))
    places = (result["locations"][0] for result in found["results"])
    return {
        place["logicalLocations"][0]["fullyQualifiedName"]: place["physicalLocation"]["region"]["startLine"]
        for place in places
    }


def test_a_result_is_at_the_line_that_decides_it() -> None:
    plan = planned(shop(POLICY, db=service("back", "front", expose=(3306,), ports=("3306:3306",))))
    found = lines(Content(plan))

    assert 7 == found["outside -> db:3306"]  # the published port
    assert 19 == found["app -> db:*"]  # the toleration of the network
    assert 7 == found["services.db.ports"]  # a lint finding


def test_a_breach_inside_a_network_is_at_the_attachment_of_its_source() -> None:
    found = lines(Content(planned(shop({"allow": POLICY["allow"]}))))

    assert 9 == found["proxy -> db:3306"]
    assert 6 == found["db -> app:5000"]


def test_a_file_outside_the_repository_has_an_address_and_no_space() -> None:
    positions = Positions(("/tmp/a b.yml",), {"services": Position("/tmp/a b.yml", 2, 1)})  # noqa: S108  # only a name
    found = run(Content(PROOFS["breach"]()), positions)

    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in found["results"]}
    assert {"file:///tmp/a%20b.yml"} == uris


def test_the_fingerprint_stays_when_addresses_and_replicas_change() -> None:
    def prints(app: dict[str, Any]) -> dict[str, str]:
        found = of_connections(run(Content(planned(shop({"allow": POLICY["allow"]}, app=app)))))
        return {
            result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]: result["partialFingerprints"][
                "primaryLocationLineHash"
            ]
            for result in found
        }

    one, three = prints(service("back", expose=(5000,))), prints(service("back", expose=(5000,), scale=3))

    assert one == {name: three[name] for name in one}
    assert {"app -> app:5000", "app -> app:*"} == three.keys() - one.keys()


def test_more_results_than_github_takes_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_RESULTS", 2)
    found = run(Content(PROOFS["breach"]()))

    assert 2 == len(found["results"])
    (note,) = found["invocations"][0]["toolExecutionNotifications"]
    assert "results are left out, the worst are first: --format json has all" in note["message"]["text"]


def test_what_was_not_probed_is_a_notification() -> None:
    proof = PROOFS["unknown"]()
    coverage = replace(proof.coverage, skipped=[SkippedPart("db", "it is stopped")])
    notes = run(Content(replace(proof, coverage=coverage)))["invocations"][0]["toolExecutionNotifications"]

    texts = [note["message"]["text"] for note in notes]
    assert "db: it is stopped" in texts
    assert "app: a container is missing" in texts


def test_risks_have_the_page_that_explains_them() -> None:
    rules = {rule["id"]: rule for rule in run(Content(PROOFS["misused"]()))["tool"]["driver"]["rules"]}

    assert rules["risk/engine-socket"]["helpUri"].startswith("https://docs.docker.com/")
    assert "warning" == rules["risk/engine-socket"]["defaultConfiguration"]["level"]


@pytest.mark.parametrize("kind", LintKind)
def test_every_kind_of_lint_finding_has_help(kind: LintKind) -> None:
    text = rule_text(f"file/{kind}")

    assert text.title
    assert text.action


def test_the_exit_code_is_that_of_the_command() -> None:
    codes = [run(Content(make()))["invocations"][0]["exitCode"] for make in (PLANS["breached"], PLANS["undecided"])]

    assert [1, 1] == [codes[0], run(Content(PLANS["sound"](), strict=True))["invocations"][0]["exitCode"]]
    assert codes[1] == PLANS["undecided"]().verdict.exit_code
