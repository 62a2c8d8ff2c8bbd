"""Keeps the record of the used connections of each project in a file below the user's state directory.

Input: the name of a project. Output: its record, and the file that has it.
Rules: a file is replaced by a rename after its bytes are on the disk, so a reader finds a whole one. A process holds a
lock of flock(2) from reading a record to writing it; the kernel drops it with the process.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from cloison.errors import UsageError
from cloison.ledger_client.spool import spool_root
from cloison.usage import record
from cloison.usage.record import Usage

FOLDER: Final = "usage"
LOCK_TIMEOUT: Final = 10.0
"""Seconds that another process may hold a record; a round writes it in milliseconds."""
LOCK_POLL_INTERVAL: Final = 0.05


def path_of(project: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the file of a project's record.

    Raises UsageError for a user without a home directory.
    """
    return spool_root(environment).parent / FOLDER / f"{project}.json"


def read(project: str) -> Usage:
    """Return the record of a project, an empty one where nothing has been learned.

    Raises FileError for a file that is no record, UsageError for one that cannot be read.
    """
    path = path_of(project)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Usage(project)
    except OSError as error:
        raise UsageError(f"{path}: the record of used connections could not be read: {error.strerror}") from error
    return record.decoded(content, str(path))


@contextmanager
def changed(project: str) -> Iterator[Usage]:
    """Yield the record of a project, and write what became of it at the end of the context.

    Raises UsageError where the file cannot be locked or written, FileError for one that is no record.
    """
    path = path_of(project)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (path.parent / f".{project}.lock").open("ab") as lock:
            _acquire(lock.fileno(), path)
            usage = read(project)
            yield usage
            _replace(path, record.encoded(usage))
    except OSError as error:
        raise UsageError(f"{path}: the record of used connections could not be written: {error.strerror}") from error


@contextmanager
def probing(project: str) -> Iterator[None]:
    """Say to the end of the context that Cloison's own probes are sent; waits for other probes to end.

    Raises UsageError where it cannot be said.
    """
    path = path_of(project)
    try:
        with _probes_lock(path) as lock:
            _acquire(lock.fileno(), path)
            yield
    except OSError as error:
        raise UsageError(f"{path}: the record of used connections could not be locked: {error.strerror}") from error


@contextmanager
def unless_probing(project: str) -> Iterator[bool]:
    """Yield whether nobody sends probes of a proof, and to the end of the context let nobody begin to."""
    with _probes_lock(path_of(project)) as lock:
        try:
            fcntl.flock(lock.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _probes_lock(path: Path) -> BinaryIO:
    return (path.parent / f".{path.stem}.probes").open("ab")


def _acquire(descriptor: int, path: Path) -> None:
    ends = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends:
                raise UsageError(f"{path}: another process holds the record; try again") from None
            time.sleep(LOCK_POLL_INTERVAL)
        else:
            return


def _replace(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
