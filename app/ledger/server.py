"""gunicorn's settings; the names are gunicorn's."""

from typing import Any

from gunicorn.workers import gthread

from ledger.observability import logs, metrics
from ledger.settings import Settings

_settings = Settings.from_environment()

bind = _settings.bind
worker_class = "gthread"
workers = _settings.workers
threads = _settings.threads

# Longer than the proxy keeps an idle connection (30 s): the proxy must be the one to close it, or a request could
# meet a connection that is just being closed here.
keepalive = 75

# On stop, answers in the making have this long. Compose waits longer, so nothing is killed.
graceful_timeout = 1
# The proxy's idle connections keep a stopping worker waiting for two seconds, in case a request is on its way in one.
# On a network of one machine it arrives within this.
gthread.STOP_KEEPALIVE_LINGER = 0.1  # type: ignore[attr-defined]  # a constant the stubs leave out
timeout = 30

worker_tmp_dir = "/tmp"  # noqa: S108 - the container's own tmpfs: a heartbeat must not wait for a disk
control_socket_disable = True  # the root file system is read-only, and nobody should steer the server from inside
accesslog = None  # the application writes a line a request itself
logconfig_dict = dict(logs.GUNICORN_LOGGING)


def worker_exit(_server: Any, worker: Any) -> None:
    """Close the worker's connections to the database."""
    worker.app.wsgi().extensions["engine"].dispose()


def child_exit(_server: Any, worker: Any) -> None:
    """Take a worker that has ended out of the figures, however it ended."""
    metrics.remove_process(worker.pid)
