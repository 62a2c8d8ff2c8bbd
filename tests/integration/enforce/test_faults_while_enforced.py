"""Faults open connections through the engine, the packet filter, NAT and routes, while a policy is enforced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.compose_project import service
from tests.integration.enforce.not_closed import NOT_CLOSED
from tests.integration.observe.fault_builders import InjectedFault
from tests.integration.observe.host_changes import RunningProject
from tests.integration.observe.opening_faults import OPENING_FAULTS
from tests.integration.observe.test_fault_injection import said
from tests.integration.project_fixtures import labs

from cloison.compose import project as compose_project
from cloison.engine import compose_cli
from cloison.workflow import enforcement
from cloison.workflow.keep_enforced import kept_enforced

pytestmark = pytest.mark.engine
POLICY = {"allow": ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306", "app -> db:5353/udp"]}


@pytest.fixture(scope="module")
def running_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProject]:
    for made in labs(tmp_path_factory.mktemp("enforced")):
        made.up(
            {
                "services": {
                    "db": service(3306, datagrams=[5353], networks=["back"], expose=["3306", "5353/udp"]),
                    "app": service(5000, networks=["back"], expose=["5000"]),
                    "proxy": service(80, networks=["front", "back"], ports=["198.19.255.1::80"]),
                    "guest": service(7000, networks=["front"]),
                },
                "networks": {"front": {}, "back": {"internal": True}},
                "x-cloison": POLICY,
            }
        )
        project = compose_project.project(compose_cli.resolved(made.selection))
        with enforcement.enforcer(project) as enforcer:
            enforcer.apply()
            with kept_enforced(enforcer, lambda _: None):
                yield RunningProject(made, project)
        enforcement.off(made.name)


@pytest.mark.parametrize("hole", OPENING_FAULTS, ids=lambda hole: hole.name.replace(" ", "-"))
def test_a_fault_opens_nothing_but_what_passes_no_packet_filter(
    running_project: RunningProject, hole: InjectedFault
) -> None:
    with hole.make(running_project):
        proof = running_project.prove()
    wrong = {flow: words for flow, words in said(proof).items() if words & {"drift", "file", "broken"}}

    word, _ = NOT_CLOSED.get(hole.name, ("proven", ""))
    assert word == proof.verdict.word, wrong
    assert word == "breached" or not wrong
