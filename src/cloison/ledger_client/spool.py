"""Keeps proofs on disk until the ledger has them, in the order in which they came.

Rules: a file has its name when its bytes are on the disk, never before. Its name is its place in the row and its
digest. Whoever gives it a name, or sends what waits, holds the kernel's lock for that; both fall with their process.
Each project has a row of its own, for a token opens one project of a ledger.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from cloison.errors import UsageError

FILE_NAME: Final = re.compile(r"(?P<place>[0-9]{12})-(?P<digest>[0-9a-f]{64})\.json\.gz")
UNFINISHED: Final = ".unfinished"
REJECTED: Final = "refused"
LOCK_POLL_INTERVAL: Final = 0.05
"""Seconds between two looks at a lock that another process holds."""
WRITE_LOCK_TIMEOUT: Final = 10.0
"""Seconds that the others may take to write their proof down: the largest takes a tenth of one."""


def spool_root(environment: Mapping[str, str]) -> Path:
    """Return the folder of all spools (https://specifications.freedesktop.org/basedir-spec/latest/).

    Raises UsageError where nobody lives: a user without a home, as in a container that runs under any number.
    """
    state = environment.get("XDG_STATE_HOME", "")
    if state.startswith("/"):
        return Path(state) / "cloison/spool"
    try:
        return Path.home() / ".local/state/cloison/spool"
    except RuntimeError as error:
        raise UsageError("there is no home directory to keep proofs in; set XDG_STATE_HOME to a folder") from error


@dataclass(frozen=True, slots=True, order=True)
class QueuedProof:
    """A proof that waits; `body` is its canonical bytes, compressed with gzip, as they are sent."""

    path: Path

    @property
    def digest(self) -> str:
        """The proof's name."""
        return self.path.name.partition("-")[2].removesuffix(".json.gz")

    def body(self) -> bytes:
        """Return what is to be sent.

        Raises ValueError when the bytes on the disk are not those that were written, OSError when it gives none.
        """
        body = self.path.read_bytes()
        try:
            digest = hashlib.sha256(gzip.decompress(body)).hexdigest()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError("the disk holds other bytes than were written") from error
        if digest != self.digest:
            raise ValueError("the disk holds other bytes than were written")
        return body


@dataclass(frozen=True, slots=True)
class Spool:
    """The row of one project at one ledger."""

    folder: Path

    def enqueue(self, document: bytes) -> QueuedProof:
        """Write a proof to the end of the row and return it when it is on the disk.

        Raises OSError when the disk does not take it.
        """
        digest = hashlib.sha256(document).hexdigest()
        _make_folder(self.folder)
        with self.locked("writing", WRITE_LOCK_TIMEOUT) as is_locked:
            if not is_locked:
                raise TimeoutError(f"another process has been writing there for {WRITE_LOCK_TIMEOUT:.0f} s")
            for left in self.folder.glob(f"*{UNFINISHED}"):  # of a process that was killed: its lock is ours
                left.unlink()
            queue = self.queued()
            if existing := [one for one in queue if one.digest == digest]:
                return existing[0]
            position = int(queue[-1].path.name.partition("-")[0]) + 1 if queue else 1
            path = self.folder / f"{position:012}-{digest}.json.gz"
            _write(path, gzip.compress(document, mtime=0))
            return QueuedProof(path)

    def queued(self) -> list[QueuedProof]:
        """Return what waits, the first to be sent first."""
        try:
            return sorted(QueuedProof(path) for path in self.folder.iterdir() if FILE_NAME.fullmatch(path.name))
        except FileNotFoundError:
            return []

    def remove(self, proof: QueuedProof) -> None:
        """Remove a proof that the ledger has."""
        proof.path.unlink(missing_ok=True)
        _fsync_folder(self.folder)

    def reject(self, proof: QueuedProof, reason: str) -> Path:
        """Take a proof out of the row, with the reason beside it, and return where it is now."""
        rejected = self.folder / REJECTED
        _make_folder(rejected)
        _write(rejected / f"{proof.digest}.reason", f"{reason}\n".encode())
        to = rejected / f"{proof.digest}.json.gz"
        proof.path.replace(to)
        _fsync_folder(rejected)
        _fsync_folder(self.folder)
        return to

    def is_rejected(self, proof: QueuedProof) -> bool:
        """Whether a proof was set aside."""
        return (self.folder / REJECTED / f"{proof.digest}.json.gz").exists()

    @contextmanager
    def locked(self, name: str, seconds: float) -> Iterator[bool]:
        """Hold the lock of this name; False when somebody else had it for all these seconds."""
        descriptor = os.open(self.folder / f".{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _acquire(descriptor, seconds)
        finally:
            os.close(descriptor)


def spool(folder: Path, url: str, project: str) -> Spool:
    """Return the row of a project at the ledger of this address."""
    scheme, host, path, *_ = urlsplit(url)
    return Spool(folder / quote(f"{scheme}_{host}{path}", safe="") / quote(project, safe="").replace(".", "%2E"))


def _acquire(descriptor: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(LOCK_POLL_INTERVAL)
        else:
            return True


def _make_folder(folder: Path) -> None:
    """Make a folder and those that are missing above it, for its owner alone and so that a power cut leaves them."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _fsync_folder(folder.parent)


def _write(path: Path, content: bytes) -> None:
    """Have a whole file of this name on the disk, or none."""
    unfinished = path.with_name(f"{path.name}{UNFINISHED}")
    try:
        with open(unfinished, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _fsync_folder(path.parent)


def _fsync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
