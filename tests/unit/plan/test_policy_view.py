"""A policy as it is understood, as text and as JSON."""

from __future__ import annotations

import json

from tests.unit.plan.sample_documents import shop

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.plan.policy_view import policy_document, policy_text

RULES = {
    "groups": {"backends": ["db", "app"]},
    "allow": ["backends -> proxy:80,443", "proxy -> outside via front", "app -> db"],
    "tolerate": [
        {"network": "back", "why": "no policy inside a network", "keep": True},
        {"flow": "app, db -> host", "why": "known"},
        {"device": "eth1", "why": "the printer"},
    ],
}
EXPECTED = """\
groups
  backends                  db, app
allow
  allow[0]                  db -> proxy: 80/tcp, 443/tcp
  allow[0]                  app -> proxy: 80/tcp, 443/tcp
  allow[1]                  proxy -> outside via front: every port
  allow[2]                  app -> db: every port
tolerate
  tolerate[0]               everything between app, db, proxy over the network back
                            because no policy inside a network, and enforcement leaves it open
  tolerate[1]               app -> host: every port
                            db -> host: every port
                            because known
  tolerate[2]               the device eth1
                            because the printer
"""


def test_a_policy_is_shown_with_its_groups_resolved() -> None:
    project = compose_project.project(shop(RULES))
    rules = policy.policy(project)

    assert rules
    assert EXPECTED == policy_text(project, rules)


def test_the_json_of_a_policy_has_every_flow_with_its_position() -> None:
    project = compose_project.project(shop(RULES))
    rules = policy.policy(project)
    assert rules
    document = json.loads(json.dumps(policy_document(project, rules)))

    assert {"backends": ["db", "app"]} == document["groups"]
    assert {
        "where": "x-cloison.allow[1]",
        "text": "proxy -> outside via front",
        "source": "proxy",
        "target": "outside",
        "ports": [],
        "via": "front",
    } == document["allow"][2]
    assert [True, False, False] == [line["keep"] for line in document["tolerate"]]
    assert ["app", "db"] == [flow["source"] for flow in document["tolerate"][1]["flows"]]


def test_an_empty_policy_allows_and_tolerates_nothing() -> None:
    project = compose_project.project(shop({}))
    rules = policy.policy(project)

    assert rules
    assert "allow nothing\ntolerate nothing\n" == policy_text(project, rules)


def test_a_network_without_members_has_none() -> None:
    document = shop({"tolerate": [{"network": "spare", "why": "x"}]})
    project = compose_project.project({**document, "networks": {**document["networks"], "spare": {}}})
    rules = policy.policy(project)

    assert rules
    assert "everything between the members over the network spare" in policy_text(project, rules)
