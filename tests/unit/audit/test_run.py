"""A check of the audit that fails is a finding; it ends no proof."""

from __future__ import annotations

from typing import Any, cast

import pytest

from cloison.audit import project_inspect, rules_check, run
from cloison.errors import NotProven
from cloison.findings.container_risks import Risk

RISK = Risk("x", "db", "can do something", "seen", "https://a.example")
SESSION = cast("Any", object())


def fail(*_: object, **__: object) -> list[Risk]:
    """Fail as a check does that meets what nobody expected."""
    raise KeyError("no such\nthing")


def test_a_check_that_works_returns_its_risks() -> None:
    assert [RISK] == run.checked("the engine", lambda: [RISK])


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (NotProven("the engine stopped answering"), "the engine stopped answering"),
        (KeyError("no such\nthing"), "KeyError: 'no such\\nthing'"),
        (OSError(24, "Too many open files"), "OSError: [Errno 24] Too many open files"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_check_that_fails_is_a_finding_with_its_reason(error: Exception, why: str) -> None:
    def check() -> list[Risk]:
        raise error

    *others, found = run.checked("the engine", check, instead=[RISK])

    assert [RISK] == others
    assert ("unchecked", "the engine", "could not be checked") == (found.what, found.where, found.sentence)
    assert why.replace("\\n", "\\n") == found.evidence.replace("\\\\n", "\\n")


def test_every_part_of_the_audit_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_states", "_container_risks", "_engine_risks", "check_loopback_exposure", "_with_dns_leaks"):
        monkeypatch.setattr(run, name, fail)
    for name in ("stale_namespaces", "foreign_names", "equal_macs"):
        monkeypatch.setattr(project_inspect, name, fail)
    for name in ("unreached", "two_backends"):
        monkeypatch.setattr(rules_check, name, fail)
    of_project = [
        "the state of the containers",
        "the shared network namespaces",
        "names on shared networks",
        "the hardware addresses",
    ]

    of_host = ["rules that no packet is asked by", "the backends of iptables"]

    assert [*of_project, "the containers' privileges", "the engine", *of_host, "a port published on loopback"] == [
        risk.where for risk in run.audit(SESSION, 0.1, is_rehearsal=False)
    ]
    assert [
        *of_project,
        "the engine",
        *of_host,
        "a port published on loopback",
        "DNS queries from internal networks",
    ] == [risk.where for risk in run.audit(SESSION, 0.1, is_rehearsal=True)]
