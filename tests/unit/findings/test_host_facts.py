from __future__ import annotations

from typing import Any

import pytest

from cloison.findings.host_facts import DaemonFacts, flags


@pytest.mark.parametrize(
    ("argv", "document", "expected"),
    [
        (["dockerd"], {}, {}),
        (["dockerd", "--iptables=false", "--icc"], {}, {"iptables": "false", "icc": "true"}),
        (["dockerd", "--bip", "198.19.255.1/24", "--debug"], {}, {"bip": "198.19.255.1/24"}),
        (["dockerd", "--userland-proxy", "--ip"], {}, {"userland-proxy": "true", "ip": ""}),
        (["dockerd", "-H", "unix:///x--icc=false"], {}, {}),
        (["dockerd"], {"ip6tables": False, "allow-direct-routing": True, "log-level": "warn"},
         {"ip6tables": "false", "allow-direct-routing": "true"}),
        (["dockerd", "--bip=10.0.0.1/24"], {"ip": "192.0.2.1"}, {"bip": "10.0.0.1/24", "ip": "192.0.2.1"}),
        (["dockerd"], {"default-address-pools": [{"base": "198.18.0.0/15", "size": 24}]},
         {"default-address-pool": "base=198.18.0.0/15,size=24"}),
    ],
)  # fmt: skip
def test_the_flags_of_a_daemon_come_from_its_command_line_and_its_file(
    argv: list[str], document: dict[str, Any], expected: dict[str, str]
) -> None:
    assert expected == dict(flags(argv, document))


def test_what_was_not_said_or_not_read_has_no_value() -> None:
    assert [facts.flag("icc") for facts in (DaemonFacts(), DaemonFacts(flags=()))] == ["", ""]
    assert DaemonFacts(flags=(("icc", "false"),)).flag("icc") == "false"
