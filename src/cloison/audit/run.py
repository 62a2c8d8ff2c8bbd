"""Runs the security audit: what an attacker could do from inside a container, or near the engine.

Input: an open probe session. Output: risks, which are shown beside the verdict.
Rule: a risk changes no verdict; no program runs in a container and nothing in it is changed. In a rehearsal idle
containers stand in for the services, so their privileges are not inspected; whether DNS queries leak is tested, not
derived from the engine's version.
"""

from __future__ import annotations

from cloison.audit import container_inspect, dns_leak_check, forwarding_check, host_inspect
from cloison.audit.loopback_exposure_check import check_loopback_exposure
from cloison.engine.connection import socket_path
from cloison.findings import container_risks, engine_cves
from cloison.findings.container_privileges import forwarding_paths
from cloison.findings.container_risks import Risk
from cloison.observe.observer import ProbeSession


def audit(session: ProbeSession, timeout: float, *, is_rehearsal: bool) -> list[Risk]:
    """Return the risks of a session's project and its engine, the worst first; `timeout` is seconds for a packet."""
    risks = check_loopback_exposure(session, known_risks(session, timeout, is_rehearsal=is_rehearsal), timeout)
    if not is_rehearsal:
        return risks
    tested = dns_leak_check.check_dns_leaks(session, timeout)
    return [risk for risk in risks if risk.what != dns_leak_check.VULNERABILITY] + tested


def known_risks(session: ProbeSession, timeout: float, *, is_rehearsal: bool) -> list[Risk]:
    """Return the risks of containers and engine: by inspection, by a forwarding test, or by the engine's version."""
    engine_socket = socket_path()
    context = engine_cves.EngineContext(
        session.facts, host_inspect.inspect_host(), session.engine.daemon(), session.project.name
    )
    on_engine = engine_cves.risks(context, session.engine.vulnerabilities())
    return [*([] if is_rehearsal else _container_risks(session, engine_socket, timeout)), *on_engine]


def _container_risks(session: ProbeSession, engine_socket: str, timeout: float) -> list[Risk]:
    running = [c for c in session.facts.containers if c.pid and c.project == session.project.name]
    privileges = container_inspect.read(running, [engine_socket])
    paths = forwarding_paths(session.facts, container_risks.routers(privileges))
    forwarded = forwarding_check.check_forwarding(paths, session.facts.containers, timeout)
    return container_risks.risks(privileges, forwarded)
