"""A set of NetworkPolicy objects is open exactly where the policy is, whatever the policy."""

from __future__ import annotations

from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.export.network_policy import Peer, is_open
from tests.unit.export.sample_exports import shop

from cloison.export.kubernetes import LABEL, exported
from cloison.model.flow import OUTSIDE

PODS: Final = {name: Peer(f"10.244.0.{i}", {LABEL: name}) for i, name in enumerate(("app", "db", "proxy"), 1)}
PEERS: Final = {**PODS, OUTSIDE: Peer("93.184.216.34", is_pod=False)}
PORTS: Final = ("", ":80", ":80,443", ":79-81", ":53/udp", ":50-60/udp")
ASKED: Final = [(protocol, port) for protocol in ("tcp", "udp") for port in (53, 79, 80, 81, 443)]

places = st.sampled_from([*PODS, "*"])
inside = st.builds("{} -> {}{}".format, places, places, st.sampled_from(PORTS))
inward = st.builds("outside -> {}{}".format, st.sampled_from(["app", "db"]), st.sampled_from(PORTS))
outward = st.builds("{} -> outside".format, places)


@given(st.lists(st.one_of(inside, inward, outward), max_size=6))
def test_the_matrix_of_the_objects_is_that_of_the_policy(allow: list[str]) -> None:
    project, rules = shop(allow=allow)
    objects, _ = exported(project, rules)

    for source, begin in PEERS.items():
        for target, end in PEERS.items():
            if source == target:
                continue
            for protocol, port in ASKED:
                wanted = any(
                    rule.matches_places(source, target) and (target == OUTSIDE or rule.covers(protocol, port))
                    for rule in rules.allow
                )
                assert wanted == is_open(objects, begin, end, (protocol, port)), (source, target, protocol, port, allow)
