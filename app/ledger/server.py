"""The configuration of gunicorn (https://docs.gunicorn.org/en/stable/settings.html); the names are gunicorn's."""

import gc
from typing import Any

from gunicorn.workers import gthread

from ledger.observability import logs, metrics
from ledger.settings import Settings

_settings = Settings.from_environment()

bind = _settings.bind
worker_class = "gthread"
workers = _settings.workers
threads = _settings.threads

# Longer than the keep-alive time-out of the proxy (30 s): the proxy must close a connection first, or it could send a
# request on a connection that gunicorn is closing.
keepalive = 75

# Seconds for running requests at a stop. stop_grace_period in compose.yml is longer.
graceful_timeout = 1
# By default a stopping worker waits two seconds for a request on an idle connection of the proxy. On the network of one
# machine a request arrives within 0.1 s.
gthread.STOP_KEEPALIVE_LINGER = 0.1  # type: ignore[attr-defined]  # a constant the stubs leave out
timeout = 30

worker_tmp_dir = "/tmp"  # noqa: S108 - the container's own tmpfs: a heartbeat must not wait for a disk
control_socket_disable = True  # the root file system is read-only, and the control socket is not used
accesslog = None  # the application logs each request itself
logconfig_dict = dict(logs.GUNICORN_LOGGING)

# Objects that are made before Python looks for cycles among them. A decoded proof of a hundred services is half a
# million objects without a cycle, which the default of 700 would look through again and again: a sixth of its page.
# https://docs.python.org/3.11/library/gc.html#gc.set_threshold
GC_THRESHOLDS = (50_000, 20, 20)


def post_worker_init(_worker: Any) -> None:
    """Look for cycles less often."""
    gc.set_threshold(*GC_THRESHOLDS)


def worker_exit(_server: Any, worker: Any) -> None:
    """Close the worker's connections to the database."""
    worker.app.wsgi().extensions["engine"].dispose()


def child_exit(_server: Any, worker: Any) -> None:
    """Remove the metrics of a worker that has ended."""
    metrics.remove_process(worker.pid)
