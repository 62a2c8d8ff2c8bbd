"""Ten thousand events of an engine: every one is read, and neither processor time nor memory grows with them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from tests.unit.engine.fake_event_engine import FakeEngine, fake_engine, until

COMMAND = str(Path(sys.executable).parent / "cloison")
EVENTS = 10_000
SECONDS = float(os.environ.get("CLOISON_EVENT_SECONDS", "0"))
"""Over how many seconds the events are sent; docs/watch.md has the figures of 60."""
MOST_CPU = 10.0
"""Seconds of the processor; reading the events takes one or two."""
MOST_GROWTH = 8 << 20


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def metrics(port: int) -> dict[str, float]:
    """Return the metrics without labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def flood(engine: FakeEngine) -> None:
    """Send the events of containers and networks of many projects."""
    began = time.monotonic()
    for number in range(EVENTS // 2):
        engine.send_container("start", f"shop-{number}")
        engine.send_network("connect", f"shop-{number}_back")
        if SECONDS and (ahead := began + SECONDS * 2 * number / EVENTS - time.monotonic()) > 0:
            time.sleep(ahead)  # the pace that is asked for


def test_ten_thousand_events_do_not_make_it_spin(tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
    argv = [COMMAND, "watch", "--all", "--no-enforce", "--metrics", str(port)]
    with fake_engine(tmp_path / "docker.sock") as engine, subprocess.Popen(argv, env=environment) as watch:
        try:
            until(lambda: engine.streams, 60)
            engine.send_container("start", "first")
            until(lambda: metrics(port)["cloison_engine_events_total"] == 1, 30)
            before = metrics(port)
            flood(engine)
            until(lambda: metrics(port)["cloison_engine_events_total"] == EVENTS + 1, 120)
            after = metrics(port)
        finally:
            watch.terminate()
    cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    growth = after["process_resident_memory_bytes"] - before["process_resident_memory_bytes"]
    print(f"{cpu:.1f} s of the processor, {growth / 1e6:.1f} MB more")  # noqa: T201  # shown with -s

    assert cpu < MOST_CPU
    assert growth < MOST_GROWTH
