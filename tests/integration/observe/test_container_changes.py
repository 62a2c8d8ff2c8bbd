"""Containers start, stop and change at any moment of a proof: flows of changed containers are unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from tests.integration.compose_project import IMAGE, Lab, docker, failures, three_tiers
from tests.integration.prober_faults import run_at

pytestmark = pytest.mark.engine
DEFAULT_TIMEOUT = 0.1
DURING = ("listed", "posted", "between the rounds")
Act = Callable[[Lab], object]
LEAVING: dict[str, Act] = {
    "killed": lambda lab: docker("kill", lab.container("db")),
    "restarted": lambda lab: docker("restart", "--time", "0", lab.container("db")),
    "removed": lambda lab: docker("rm", "--force", lab.container("db")),
    "replaced": lambda lab: lab.compose("up", "--detach", "--no-deps", "--force-recreate", "db"),
    "elsewhere": lambda lab: docker("network", "disconnect", f"{lab.name}_back", lab.container("db")),
}
COMING: dict[str, Act] = {
    "scaled": lambda lab: lab.compose("up", "--detach", "--no-deps", "--scale", "app=2", "app"),
    "stranger": lambda lab: docker(
        *("run", "--detach", "--rm", "--name", f"{lab.name}-stranger", "--network", f"{lab.name}_front"),
        *("--entrypoint", "sleep", IMAGE, "600"),
    ),
}


@pytest.fixture
def changing(tiers: Lab) -> Iterator[Lab]:
    """The three tiers; whatever a test does to them is undone."""
    yield tiers
    with suppress(AssertionError):  # most tests have no stranger
        docker("rm", "--force", f"{tiers.name}-stranger")
    tiers.up(three_tiers(), "--force-recreate", "--timeout", "0")


@pytest.mark.parametrize("moment", DURING)
@pytest.mark.parametrize("act", ["killed", "restarted"])
def test_a_container_that_stops_during_the_proof_is_unknown(
    changing: Lab, act: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_at(monkeypatch, moment, lambda: LEAVING[act](changing))

    _assert_unknown_db(changing)


@pytest.mark.parametrize(
    ("act", "moment"),
    [("replaced", "listed"), ("replaced", "posted"), ("removed", "between the rounds"), ("elsewhere", "posted")],
)
def test_a_container_that_is_replaced_during_the_proof_is_unknown(
    changing: Lab, act: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_at(monkeypatch, moment, lambda: LEAVING[act](changing))

    _assert_unknown_db(changing)


def _assert_unknown_db(lab: Lab) -> None:
    proof = lab.prove(DEFAULT_TIMEOUT)

    found = failures(proof)
    assert (3, {"unknown"}) == (proof.verdict.exit_code, found["app", "db:3306"])
    assert {"unknown"} == found["outside", "db:3306"] == found["db", "app:5000"]
    assert {"unknown"} == {word for words in found.values() for word in words}


@pytest.mark.parametrize("moment", DURING)
def test_a_container_that_joins_a_network_during_the_proof_is_unknown_there(
    changing: Lab, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_at(
        monkeypatch, moment, lambda: docker("network", "connect", f"{changing.name}_front", changing.container("db"))
    )

    proof = changing.prove(DEFAULT_TIMEOUT)

    assert proof.verdict.exit_code != 0
    assert {"unknown"} == failures(proof)["outside", "db:3306"]


@pytest.mark.parametrize(
    ("act", "moment", "who"),
    [
        ("stranger", "listed", "stranger"),
        ("stranger", "between the rounds", "stranger"),
        ("scaled", "posted", "app-2"),
    ],
)
def test_a_container_that_starts_during_the_proof_makes_it_incomplete(
    changing: Lab, act: str, moment: str, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_at(monkeypatch, moment, lambda: COMING[act](changing))

    proof = changing.prove(DEFAULT_TIMEOUT)

    assert (3, {}) == (proof.verdict.exit_code, failures(proof))
    assert [f"container {changing.name}-{who}"] == [part.what for part in proof.coverage.skipped]


@pytest.mark.parametrize("moment", DURING)
def test_a_container_that_is_paused_during_the_proof_is_proven(
    changing: Lab, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_at(monkeypatch, moment, lambda: docker("pause", changing.container("db")))
    try:
        proof = changing.prove(DEFAULT_TIMEOUT)
    finally:
        docker("unpause", changing.container("db"))

    assert 0 == proof.verdict.exit_code


def test_a_change_after_the_probes_belongs_to_the_next_proof(changing: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    run_at(monkeypatch, "over", lambda: LEAVING["killed"](changing))

    first, second = changing.prove(DEFAULT_TIMEOUT), changing.prove(DEFAULT_TIMEOUT)

    assert (0, {}, 3) == (first.verdict.exit_code, failures(first), second.verdict.exit_code)
