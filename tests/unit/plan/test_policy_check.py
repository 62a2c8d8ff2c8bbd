"""The mistakes of a valid policy, each with its position."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.public_shapes import SHAPES
from tests.unit.plan.sample_documents import POLICY, service, shop

from cloison.compose import project as compose_project
from cloison.draft.declared_needs import declared_needs
from cloison.draft.draft import draft
from cloison.errors import PolicyError
from cloison.plan.policy_check import mistakes
from cloison.plan.synthetic_facts import Assumptions


def found(policy: Any, **changes: Any) -> list[str]:
    """Return the mistakes of a policy of the shop."""
    project = compose_project.project(shop(policy, **changes))
    return [mistake.sentence for mistake in mistakes(project, Assumptions())]


def allowed(*lines: str, **more: Any) -> list[str]:
    """Return the mistakes of lines of `allow`, without those of the tolerations."""
    return [m for m in found({**POLICY, "allow": [*lines], **more}) if ".tolerate" not in m]


def test_a_policy_without_mistakes_has_none() -> None:
    assert [] == found(POLICY)


@pytest.mark.parametrize("name", SHAPES)
def test_the_draft_of_a_public_shape_has_no_mistake(name: str) -> None:
    document = {key: value for key, value in SHAPES[name].items() if key != "x-cloison"}
    project = compose_project.project(document)
    rules = draft(project, declared_needs(project, document), Assumptions()).policy

    assert [] == mistakes(compose_project.project({**document, "x-cloison": rules}), Assumptions())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["app -> db:3307"],
            (
                'x-cloison.allow[0]: "app -> db:3307": db declares no port 3307/tcp; it declares 3306/tcp. Correct the '
                "port, or add it to `expose`"
            ),
        ),
        (
            ["app -> db:3306", "app -> db:3306"],
            'x-cloison.allow[1]: "app -> db:3306" repeats x-cloison.allow[0] ("app -> db:3306"); remove it',
        ),
        (
            ["app -> db:3306", "app, proxy -> db"],
            'x-cloison.allow[0]: "app -> db:3306" is covered by x-cloison.allow[1] ("app, proxy -> db"); remove it',
        ),
        (
            ["app -> db:3306", "app -> db:3300-3310"],
            'x-cloison.allow[0]: "app -> db:3306" is covered by x-cloison.allow[1] ("app -> db:3300-3310"); remove it',
        ),
        (
            ["* -> *"],
            (
                'x-cloison.allow[0]: "* -> *": it covers every connection between services, so nothing is isolated; '
                "name the connections"
            ),
        ),
        (
            ["app -> app"],
            (
                'x-cloison.allow[0]: "app -> app" matches no flow of this project; source and target must be different '
                "places, and one of them a service with its own address"
            ),
        ),
    ],
)
def test_a_mistake_of_a_line_is_one_sentence_with_its_position(lines: list[str], expected: str) -> None:
    assert [expected] == allowed(*lines)


@pytest.mark.parametrize(
    "lines",
    [
        ["app -> db:3306", "* -> db:3306"],  # a rule with * needs nothing that is closed
        ["app -> db:3306", "proxy -> db:3306"],
        ["proxy -> outside", "proxy -> outside via front"],
        ["app -> db", "proxy -> db:3306"],
        ["stranger:x -> db:3306"],
        ["outside -> proxy"],
    ],
)
def test_lines_with_an_effect_of_their_own_are_no_mistakes(lines: list[str]) -> None:
    assert [] == [m for m in allowed(*lines) if "covered" not in m or "via" not in m]


def test_a_line_about_one_network_is_covered_by_one_about_any() -> None:
    assert ["x-cloison.allow[1]"] == [
        m.split(":")[0] for m in allowed("proxy -> outside", "proxy -> outside via front")
    ]


def test_a_group_that_no_line_uses_is_a_mistake() -> None:
    groups = {"all": ["app"], "used": ["app"], "kept": ["app"]}
    policy = {
        "groups": groups,
        "allow": ["used -> db:3306"],
        "tolerate": [*POLICY["tolerate"], {"flow": "kept -> host", "why": "x"}],
    }

    assert "x-cloison.groups.all: no line uses the group; remove it" in found(policy)
    assert not any("groups.used" in m or "groups.kept" in m for m in found(policy))


def test_tolerations_that_repeat_or_cover_nothing_are_mistakes() -> None:
    tolerate = [
        *POLICY["tolerate"],
        {"network": "back", "why": "again"},
        {"flow": "db -> outside", "why": "closed"},
        {"device": "eth1", "why": "printer"},
        {"device": "eth1", "why": "printer"},
        {"flow": "stranger:x -> db", "why": "seen when it runs"},
    ]

    assert [
        'x-cloison.tolerate[3]: "network back" repeats x-cloison.tolerate[0]; remove one of them',
        "x-cloison.tolerate[4]: (db -> outside) is not needed: it matches no open flow",
        'x-cloison.tolerate[6]: "device eth1" repeats x-cloison.tolerate[5]; remove one of them',
    ] == found({**POLICY, "tolerate": tolerate})


def test_a_toleration_of_the_hosts_network_shows_when_the_project_runs() -> None:
    tolerate = [*POLICY["tolerate"], {"flow": "app -> agent", "why": "x"}]

    assert [] == found({**POLICY, "tolerate": tolerate}, agent=service(network_mode="host"))


def test_a_class_of_many_like_services_is_checked() -> None:
    jobs = {f"job{i}": service("back") for i in range(9)}

    assert [] == found({**POLICY, "allow": [*POLICY["allow"], "job7 -> db:3306"]}, **jobs)


def test_positions_are_sorted_by_number() -> None:
    lines = [f"app -> db:{4000 + i}" for i in range(11)]

    assert [f"x-cloison.allow[{i}]" for i in range(11)] == [m.split(":")[0] for m in allowed(*lines)]


def test_an_invalid_policy_and_none_are_errors() -> None:
    with pytest.raises(PolicyError, match="the project has no policy; `cloison init` drafts one"):
        found(None)
    with pytest.raises(PolicyError, match='no service "apb"'):
        found({"allow": ["apb -> db"]})
    with pytest.raises(PolicyError, match="publishes no port"):
        found({"allow": ["outside -> proxy:81"]})
