"""A vantage whose positive control fails proves nothing, except by a packet that reached its target."""

from __future__ import annotations

import pytest

from cloison.model.facts import EngineFacts, Facts
from cloison.model.flow import Endpoint, EndpointKind, Flow, Protocol, Vantage
from cloison.model.outcome import Outcome, Reach
from cloison.observe.evidence import Controls
from cloison.observe.interpret import Interpreter, vantage_key
from cloison.probe.probe import Probe
from cloison.probe.sockets import ProbeSockets

FLOW = Flow(
    Vantage("stranger:lxc", "lxc"),
    Endpoint("db", "db-1", EndpointKind.LISTENER, Protocol.TCP, 3306, "back", "10.1.0.2", 3306),
)
LOST, ANSWERED = Controls("its own canary could not be reached", ""), Controls("", "the unused address answered")


@pytest.mark.parametrize(
    ("controls", "is_reached", "reach"),
    [
        (Controls("", ""), True, Reach.OPEN),
        (Controls("", ""), False, Reach.SHUT),
        (LOST, True, Reach.OPEN),
        (LOST, False, Reach.UNKNOWN),
        (ANSWERED, True, Reach.UNKNOWN),
        (Controls(LOST.positive, ANSWERED.negative), True, Reach.UNKNOWN),
    ],
)
def test_a_failed_control_makes_a_flow_unknown_unless_the_packet_arrived(
    controls: Controls, is_reached: bool, reach: Reach
) -> None:
    source, target = (ProbeSockets(name, 0, 1, {}, {}) for name in ("lxc", "db-1"))
    probe = Probe(source, "10.1.0.2", 3306, target)
    probe.outcome = Outcome.ACCEPTED if is_reached else Outcome.SILENT
    probe.arrived = (target,) if is_reached else ()
    keys = {vantage_key(FLOW.vantage): source, vantage_key(FLOW.endpoint): target}
    passed = {vantage_key(FLOW.vantage): controls, vantage_key(FLOW.endpoint): Controls("", "")}

    interpreter = Interpreter(Facts(EngineFacts("docker", "28.5"), (), ()), keys, frozenset())
    assert reach is interpreter.observation_of(FLOW, probe, passed, {}).reach
