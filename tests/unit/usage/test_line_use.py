"""What a record says of the lines of a policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.usage.sample_usage import DB, MONTH, START, found, shop, usage, used

from cloison.model.flow import HOST, OUTSIDE
from cloison.usage.line_use import DEVICE, FOREIGN_END, FROM_HOST, ONE_WAY, State, line_uses, lines
from cloison.usage.record import DAY, Arrow

BACK = {"network": "back", "why": "shared"}


def states(rules: Any, *uses: Any, **more: Any) -> list[State]:
    return [one.state for one in found(rules, *uses, **more)]


def test_a_line_is_used_unused_or_too_young_to_say() -> None:
    rules = shop(allow=["app -> db:3306", "app -> proxy"])

    assert [State.USED, State.UNUSED] == states(rules, used(DB, START + 39 * DAY))
    assert [State.UNUSED, State.UNUSED] == states(rules, used(DB))
    assert [State.USED, State.TOO_SOON] == states(rules, used(DB), days=29)
    assert [State.TOO_SOON, State.TOO_SOON] == states(rules, days=0)


def test_a_line_that_came_later_is_not_called_unused_before_it_was_watched_as_long() -> None:
    project, rules = shop(allow=["app -> db:3306", "app -> proxy"])
    first, second = lines(project, rules)
    record = usage((project, rules), lines={first.key: START, second.key: START + 20 * DAY})

    assert [State.UNUSED, State.TOO_SOON] == [one.state for one in line_uses(project, rules, record, MONTH)]
    record.lines = {first.key: START}
    assert [40 * DAY, 0] == [one.watched for one in line_uses(project, rules, record, MONTH)]
    record.forgotten = START + 20 * DAY
    assert [20 * DAY, 0] == [one.watched for one in line_uses(project, rules, record, MONTH)]


def test_a_group_with_another_member_is_another_line() -> None:
    keys = {lines(*shop(groups={"g": members}, allow=["g -> db"]))[0].key for members in (["app"], ["app", "proxy"])}

    assert 2 == len(keys)


def test_what_allow_covers_is_no_use_of_a_toleration() -> None:
    tolerate = [BACK, {"flow": "* -> db", "why": "shared"}]
    rules = shop(allow=["app -> db:3306"], tolerate=tolerate)

    assert [State.USED, State.UNUSED, State.UNUSED] == states(rules, used(DB, START + 39 * DAY))
    proxy = used(Arrow("proxy", "db", "tcp", 3306), START + 39 * DAY)
    assert [State.UNUSED, State.USED, State.USED] == states(rules, proxy)
    assert [State.UNUSED, State.UNUSED, State.UNUSED] == states(rules, used(Arrow("db", OUTSIDE, "tcp", 0)))


def test_a_connection_whose_port_is_not_known_is_a_use_of_every_line_between_its_places() -> None:
    rules = shop(allow=["app -> db:3306", "app -> db:33060"])

    assert [State.USED, State.USED] == states(rules, used(Arrow("app", "db", "", 0), START + 39 * DAY))


def test_a_line_has_the_sums_of_its_connections() -> None:
    rules = shop(allow=["app, proxy -> db:3306"])
    other = used(Arrow("proxy", "db", "tcp", 3306), START + DAY, first=START + 5, bytes=40)
    (one,) = found(rules, used(DB), other)

    assert (START, START + DAY, 2, 40) == (one.first, one.last, one.connections, one.bytes)
    assert None is found(rules, used(DB))[0].bytes


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ({"tolerate": [{"device": "eth1", "why": "cable"}]}, DEVICE),
        ({"allow": ["stranger:grafana -> db:3306"]}, FOREIGN_END),
        ({"allow": ["host -> db:3306"]}, FROM_HOST),
        ({"allow": ["app -> statsd:8125/udp"]}, ONE_WAY),
    ],
)
def test_what_cannot_be_seen_is_not_called_unused(policy: dict[str, Any], why: str) -> None:
    (one,) = found(shop(**policy))

    assert (State.UNSEEN, why) == (one.state, one.why)


def test_counters_of_enforced_rules_see_more_than_sockets() -> None:
    rules = shop(allow=["host -> db:3306", "app -> statsd:8125/udp"])
    from_host = used(Arrow(HOST, "db", "tcp", 3306), START + 39 * DAY)

    assert [State.UNUSED, State.UNUSED] == states(rules, counted=True)
    assert [State.USED, State.UNUSED] == states(rules, from_host, counted=True)
    assert [State.USED, State.UNSEEN] == states(rules, from_host)
    assert "" == replace(found(rules, counted=True)[0]).why


def test_a_tolerated_list_of_flows_is_one_line() -> None:
    rules = shop(tolerate=[{"flow": "app, proxy -> db:3306", "why": "known"}])

    assert [State.USED] == states(rules, used(Arrow("proxy", "db", "tcp", 3306), START + 39 * DAY))
