"""Runs the security audit: what an attacker could do from inside a container, or near the engine.

Input: an open probe session. Output: risks, which are shown beside the verdict.
Rule: a risk changes no verdict, and a check that fails is a risk "could not be checked". No program runs in a container
and nothing in it is changed. In a rehearsal idle containers stand in for the services, so their privileges are not
inspected; whether DNS queries leak is tested, not derived from the engine's version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from cloison.audit import (
    container_inspect,
    dns_leak_check,
    forwarding_check,
    host_inspect,
    project_inspect,
    rules_check,
)
from cloison.audit.loopback_exposure_check import check_loopback_exposure
from cloison.engine.connection import socket_path
from cloison.errors import CloisonError, printable
from cloison.findings import container_risks, container_states, engine_cves
from cloison.findings.container_privileges import forwarding_paths
from cloison.findings.container_risks import Risk
from cloison.findings.egress_networks import egress_risks
from cloison.observe.observer import ProbeSession
from cloison.predict.egress_networks import predicted_egress

UNCHECKED: Final = "unchecked"
SOURCE: Final = "https://docs.docker.com/engine/security/"


def audit(session: ProbeSession, timeout: float, *, is_rehearsal: bool) -> list[Risk]:
    """Return the risks of a session's project and its engine, the worst first; `timeout` is seconds for a packet."""
    known = known_risks(session, timeout, is_rehearsal=is_rehearsal)
    risks = checked(
        "a port published on loopback", lambda: check_loopback_exposure(session, known, timeout), instead=known
    )
    if not is_rehearsal:
        return risks
    return checked(
        "DNS queries from internal networks", lambda: _with_dns_leaks(session, risks, timeout), instead=risks
    )


def _with_dns_leaks(session: ProbeSession, risks: list[Risk], timeout: float) -> list[Risk]:
    tested = dns_leak_check.check_dns_leaks(session, timeout)
    return [risk for risk in risks if risk.what != dns_leak_check.VULNERABILITY] + tested


def known_risks(session: ProbeSession, timeout: float, *, is_rehearsal: bool) -> list[Risk]:
    """Return the risks of containers and engine: by inspection, by a forwarding test, or by the engine's version."""
    of_project = _project_risks(session, timeout)
    of_containers = (
        [] if is_rehearsal else checked("the containers' privileges", lambda: _container_risks(session, timeout))
    )
    of_host = [
        *checked("rules that no packet is asked by", lambda: rules_check.unreached(session)),
        *checked("the backends of iptables", rules_check.two_backends),
    ]
    return [*of_project, *of_containers, *checked("the engine", lambda: _engine_risks(session)), *of_host]


def _project_risks(session: ProbeSession, timeout: float) -> list[Risk]:
    checks: dict[str, Callable[[], list[Risk]]] = {
        "the state of the containers": lambda: _states(session),
        "the shared network namespaces": lambda: project_inspect.stale_namespaces(session),
        "names on shared networks": lambda: project_inspect.foreign_names(session, timeout),
        "the hardware addresses": lambda: project_inspect.equal_macs(session),
    }
    return [risk for subject, check in checks.items() for risk in checked(subject, check)]


def _states(session: ProbeSession) -> list[Risk]:
    facts, project = session.facts, session.project
    return [
        *container_states.states(project.name, project.services, facts.containers),
        *egress_risks(facts.egress_networks, predicted_egress(project, facts)),
    ]


def _engine_risks(session: ProbeSession) -> list[Risk]:
    context = engine_cves.EngineContext(
        session.facts, host_inspect.inspect_host(), session.engine.daemon(), session.project.name
    )
    return [*engine_cves.risks(context, session.engine.vulnerabilities())]


def _container_risks(session: ProbeSession, timeout: float) -> list[Risk]:
    running = [c for c in session.facts.containers if c.pid and c.project == session.project.name]
    privileges = container_inspect.read(running, [socket_path()])
    paths = forwarding_paths(session.facts, container_risks.routers(privileges))
    forwarded = forwarding_check.check_forwarding(paths, session.facts.containers, timeout)
    return container_risks.risks(privileges, forwarded, is_enforced=session.facts.is_enforced)


def checked(subject: str, check: Callable[[], list[Risk]], instead: Iterable[Risk] = ()) -> list[Risk]:
    """Return the risks that a check finds; if it fails, `instead` and a risk that says so."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001  # whatever a check meets, it must not end the proof
        return [*instead, unchecked(subject, error)]


def unchecked(subject: str, error: BaseException) -> Risk:
    """Return the risk that a check has failed, with its reason."""
    why = str(error) if isinstance(error, CloisonError) else ": ".join(filter(None, (type(error).__name__, str(error))))
    return Risk(UNCHECKED, subject, "could not be checked", printable(why), SOURCE)
