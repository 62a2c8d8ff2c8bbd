"""The events of an engine that answers, hangs and restarts, and of one that has ten thousand of them in a second."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.engine.fake_event_engine import FakeEngine, fake_engine, until

from cloison.engine import connection
from cloison.engine.event_stream import ANYTHING, MOST_KEYS, Changes, EventStream, Subscription, event_stream

KEEP_ALIVE = 0.3


@pytest.fixture
def socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.setattr(connection, "API_TIMEOUT", 1)
    return tmp_path / "docker.sock"


@pytest.fixture
def engine(socket: Path) -> Iterator[FakeEngine]:
    with fake_engine(socket) as engine:
        yield engine


@pytest.fixture
def stream(engine: FakeEngine) -> Iterator[EventStream]:
    with event_stream(KEEP_ALIVE) as stream:
        until(lambda: engine.streams)
        yield stream


def next_changes(events: Subscription) -> Changes:
    """Wait for the next events."""
    poller = select.poll()
    poller.register(events.descriptor, select.POLLIN)
    assert poller.poll(10_000)
    found = events.drained()
    assert found
    return found


def subscribed(stream: EventStream) -> Subscription:
    """Return a subscription whose first event, and that of the connection, are read."""
    events = stream.subscribe()
    until(lambda: not stream.is_away)
    assert next_changes(events).concern("any key")
    return events


def test_an_event_names_its_project_or_its_network_and_the_container(engine: FakeEngine, stream: EventStream) -> None:
    events = subscribed(stream)
    engine.send_container("health_status: healthy", "shop")
    engine.send_container("start", "shop")
    assert Changes(frozenset({"project:shop"}), networks=False) == next_changes(events)
    engine.send_network("connect", "shop_back")
    connected = next_changes(events)
    assert Changes(frozenset({"network:shop_back", "container:c1"}), networks=False) == connected
    assert (True, False) == (connected.concern("container:c1"), connected.concern("project:other"))
    engine.send_network("create", "shop_back")
    assert next_changes(events).networks
    events.close()
    engine.send_container("die", "shop")
    until(lambda: stream.count == 5)


def test_a_quiet_engine_is_asked_again_and_no_event_is_told_twice(engine: FakeEngine, stream: EventStream) -> None:
    events = subscribed(stream)
    engine.send_container("start", "shop")
    next_changes(events)
    until(lambda: engine.streams >= 3)
    assert not stream.is_away
    assert events.drained() is None
    moments = [request.partition("since=")[2].partition("&")[0] for request in engine.requests if "events" in request]
    assert moments[-1] == moments[-2] > moments[0]
    engine.send(timeNano=1, Type="container", Action="start", Actor={"Attributes": {}})
    engine.send_container("die", "shop")
    next_changes(events)
    assert 2 == stream.count


def test_an_engine_that_hangs_is_away_and_its_return_is_an_event(engine: FakeEngine, stream: EventStream) -> None:
    events = subscribed(stream)
    engine.hangs.set()
    until(lambda: stream.is_away)
    assert {ANYTHING} == next_changes(events).keys
    engine.hangs.clear()
    until(lambda: not stream.is_away, 40)
    assert next_changes(events).networks


def test_an_engine_that_ends_is_away_and_comes_back(socket: Path) -> None:
    with event_stream(KEEP_ALIVE) as stream:
        with fake_engine(socket) as engine:
            until(lambda: engine.streams)
            until(lambda: not stream.is_away)
        until(lambda: stream.is_away)
        socket.unlink()
        with fake_engine(socket):
            until(lambda: not stream.is_away)


def test_what_waits_has_a_bounded_size(engine: FakeEngine, stream: EventStream) -> None:
    events = subscribed(stream)
    began = time.process_time()
    for number in range(10_000):
        engine.send_container("start", f"shop-{number % 5000}")
    until(lambda: stream.count == 10_000, 60)
    found = next_changes(events)
    assert len(found.keys) <= MOST_KEYS
    assert ANYTHING in found.keys
    assert time.process_time() - began < 20, "of the sender and the reader in one process"
