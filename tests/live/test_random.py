"""Prediction against the real engine: on projects that nobody chose, predicted equals observed on every flow."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.live.lab import Lab, service

pytestmark = pytest.mark.engine


def random_project(seed: int) -> dict[str, Any]:
    """Return a Compose document drawn by `seed`."""
    draw = random.Random(seed)  # noqa: S311  # a project, not a secret
    networks = {name: {"internal": True} if draw.random() < 0.4 else {} for name in draw.sample("abcd", k=3)}
    services = {f"s{number}": _service(draw, [*networks]) for number in range(draw.randint(3, 5))}
    owners = [name for name, body in services.items() if "networks" in body]
    if owners and draw.random() < 0.5:
        services["guest"] = service(7000, network_mode=f"service:{draw.choice(owners)}")
    return {"services": services, "networks": networks}


def _service(draw: random.Random, networks: list[str]) -> dict[str, Any]:
    if draw.random() < 0.12:
        return service(8000, network_mode=draw.choice(["none", "bridge"]))
    body = service(8000, networks=draw.sample(networks, k=draw.randint(1, len(networks))))
    if draw.random() < 0.5:
        body["ports"] = [draw.choice(["8000", "127.0.0.1::8000", "198.19.255.1::8000"])]
    if draw.random() < 0.2:
        body["deploy"] = {"replicas": 2}
        body.pop("ports", None)
    return body


@pytest.mark.parametrize("seed", range(8))
def test_predicted_is_observed(lab: Lab, seed: int) -> None:
    lab.up(random_project(seed))

    proof = lab.prove()

    wrong = [
        (proof.vantages[flow.vantage], proof.endpoints[flow.endpoint], flow.rule, flow.evidence)
        for flow in proof.flows
        if flow.predicted != flow.observed
    ]
    assert [] == wrong
    assert proof.flows
