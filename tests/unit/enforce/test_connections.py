"""Which existing connections go on under a policy."""

from __future__ import annotations

import pytest
from tests.unit.enforce.sample_layouts import layout, opened

from cloison.enforce.connections import AllowedConnections

POLICY = [
    "app -> db:3306",
    "outside -> proxy:80",
    "proxy -> outside",
    "db -> host:53/udp",
    "app -> proxy:8000-8010",
    "proxy -> app",
]


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        (("tcp", "172.30.1.3", "172.30.1.2", 3306), True),
        (("tcp", "172.30.1.3", "172.30.1.2", 3307), False),
        (("udp", "172.30.1.3", "172.30.1.2", 3306), False),
        (("tcp", "172.30.1.2", "172.30.1.3", 3306), False),
        (("tcp", "172.30.1.3", "172.30.1.4", 8000), True),
        (("tcp", "172.30.1.3", "172.30.1.4", 8010), True),
        (("tcp", "172.30.1.3", "172.30.1.4", 8011), False),
        (("udp", "172.30.1.4", "172.30.1.3", 1), True),
        (("tcp", "203.0.113.9", "172.30.2.4", 80), True),
        (("tcp", "203.0.113.9", "172.30.2.4", 81), False),
        (("tcp", "172.30.2.1", "172.30.2.4", 80), True),
        (("tcp", "172.30.2.4", "203.0.113.9", 443), True),
        (("tcp", "172.30.1.3", "203.0.113.9", 443), False),
        (("udp", "172.30.1.2", "172.30.1.1", 53), True),
        (("tcp", "172.30.1.77", "172.30.1.2", 3306), False),
        (("tcp", "fd00:1::3", "fd00:1::9", 3306), False),
        (("tcp", "203.0.113.9", "203.0.113.10", 22), True),
    ],
)
def test_a_connection_goes_on_if_the_policy_opens_it(connection: tuple[str, str, str, int], expected: bool) -> None:
    assert expected is AllowedConnections(layout(), opened(allow=POLICY)).has(*connection)
