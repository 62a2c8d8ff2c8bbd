"""Stores proofs on disk until the ledger has accepted them, in the order in which they were made.

Input: the canonical bytes of a proof. Output: a queue of compressed files for each project and ledger, because a token
is valid for one project of one ledger.
Rules: a file gets its name after its bytes are on the disk. The name is its position in the queue and its digest. A
process holds a lock of flock(2) while it names a file or sends the queue; the kernel drops it with the process. The
locks are in the queue's own folder and are waited for, unlike those of `linux.file_lock`.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from cloison.errors import UsageError

FILE_NAME: Final = re.compile(r"(?P<place>[0-9]{12})-(?P<digest>[0-9a-f]{64})\.json\.gz")
UNFINISHED: Final = ".unfinished"
REJECTED: Final = "refused"
FUTURE: Final = "future"
FAILURES: Final = ".failures"
LOCK_POLL_INTERVAL: Final = 0.05
"""Seconds between two attempts to take a lock that another process holds."""
WRITE_LOCK_TIMEOUT: Final = 10.0
"""Seconds that other processes may take to write their proofs; the largest proof takes 0.1 s."""


def spool_root(environment: Mapping[str, str]) -> Path:
    """Return the folder of all spools (https://specifications.freedesktop.org/basedir-spec/latest/).

    Raises UsageError for a user without a home directory, as in a container that runs under an arbitrary user ID.
    """
    # Not platformdirs: for a user without a home it returns a path below a folder called "~".
    state = environment.get("XDG_STATE_HOME", "")
    if state.startswith("/"):
        return Path(state) / "cloison/spool"
    try:
        return Path.home() / ".local/state/cloison/spool"
    except RuntimeError as error:
        raise UsageError("the user has no home directory to save proofs in; set XDG_STATE_HOME to a folder") from error


@dataclass(frozen=True, slots=True, order=True)
class QueuedProof:
    """A proof in the queue; `body` is its canonical bytes, compressed with gzip, as they are sent."""

    path: Path

    @property
    def digest(self) -> str:
        """The SHA-256 of the proof, in hexadecimal."""
        return self.path.name.partition("-")[2].removesuffix(".json.gz")

    def body(self) -> bytes:
        """Return the bytes to send.

        Raises ValueError when the bytes on the disk are not those that were written, OSError when they cannot be read.
        """
        body = self.path.read_bytes()
        self._decompressed(body)
        return body

    def started(self) -> datetime:
        """Return the start of the proof; ValueError and OSError as for `body`, and when it has none."""
        document = json.loads(self._decompressed(self.path.read_bytes()))
        return datetime.fromisoformat(document["started"])

    def _decompressed(self, body: bytes) -> bytes:
        try:
            document = gzip.decompress(body)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError("the file on disk is damaged") from error
        if hashlib.sha256(document).hexdigest() != self.digest:
            raise ValueError("the file on disk is damaged")
        return document


@dataclass(frozen=True, slots=True)
class Spool:
    """The queue of one project at one ledger."""

    folder: Path

    def enqueue(self, document: bytes) -> QueuedProof:
        """Write a proof to the end of the queue and return it when it is on the disk.

        Raises OSError when it cannot be written.
        """
        digest = hashlib.sha256(document).hexdigest()
        _make_folder(self.folder)
        with self.locked("writing", WRITE_LOCK_TIMEOUT) as is_locked:
            if not is_locked:
                raise TimeoutError(f"another process has been writing there for {WRITE_LOCK_TIMEOUT:.0f} s")
            for left in self.folder.glob(f"*{UNFINISHED}"):  # of a killed process, because this one has the lock
                left.unlink()
            queue = self.queued()
            if existing := [proof for proof in queue if proof.digest == digest]:
                return existing[0]
            position = int(queue[-1].path.name.partition("-")[0]) + 1 if queue else 1
            path = self.folder / f"{position:012}-{digest}.json.gz"
            _write(path, gzip.compress(document, mtime=0))
            return QueuedProof(path)

    def queued(self) -> list[QueuedProof]:
        """Return the proofs in the queue, the next to be sent first."""
        return _proofs_in(self.folder)

    def remove(self, proof: QueuedProof) -> None:
        """Remove a proof that the ledger has accepted."""
        proof.path.unlink(missing_ok=True)
        _failures_path(proof).unlink(missing_ok=True)
        _fsync_folder(self.folder)

    def reject(self, proof: QueuedProof, reason: str) -> Path:
        """Move a proof out of the queue, write the reason beside it, and return its new path."""
        rejected = self.folder / REJECTED
        _make_folder(rejected)
        _write(rejected / f"{proof.digest}.reason", f"{reason}\n".encode())
        destination = rejected / f"{proof.digest}.json.gz"
        proof.path.replace(destination)
        _failures_path(proof).unlink(missing_ok=True)
        _fsync_folder(rejected)
        _fsync_folder(self.folder)
        return destination

    def postpone(self, proof: QueuedProof) -> Path:
        """Move a proof whose start is in the future out of the queue, and return its new path."""
        postponed = self.folder / FUTURE
        _make_folder(postponed)
        destination = postponed / proof.path.name
        if destination != proof.path:
            proof.path.replace(destination)
            _fsync_folder(postponed)
            _fsync_folder(self.folder)
        return destination

    def postponed(self) -> list[QueuedProof]:
        """Return the proofs whose start was in the future when they were sent."""
        return _proofs_in(self.folder / FUTURE)

    def is_postponed(self, proof: QueuedProof) -> bool:
        """Whether a proof waits until its start has passed."""
        return (self.folder / FUTURE / proof.path.name).exists()

    def failures(self, proof: QueuedProof) -> int:
        """Return in how many runs the ledger failed at a proof and accepted others."""
        try:
            return int(_failures_path(proof).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def record_failure(self, proof: QueuedProof) -> int:
        """Count a failure of the ledger at a proof, and return the count."""
        count = self.failures(proof) + 1
        _write(_failures_path(proof), f"{count}\n".encode())
        return count

    def is_rejected(self, proof: QueuedProof) -> bool:
        """Whether the ledger rejected a proof."""
        return (self.folder / REJECTED / f"{proof.digest}.json.gz").exists()

    @contextmanager
    def locked(self, name: str, seconds: float) -> Iterator[bool]:
        """Hold the lock of this name; False when another process had it for all of `seconds`."""
        descriptor = os.open(self.folder / f".{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _acquire(descriptor, seconds)
        finally:
            os.close(descriptor)


def spool(folder: Path, url: str, project: str, sent_as: str = "") -> Spool:
    """Return the queue of a Compose project at the ledger of this address; `sent_as` is the ledger's project.

    Proofs that are sent as ones of another project have a queue of their own, so that no run without `--as` sends them.
    """
    scheme, host, path, *_ = urlsplit(url)
    name = _folder_name(project) + (f"@{_folder_name(sent_as)}" if sent_as else "")
    return Spool(folder / quote(f"{scheme}_{host}{path}", safe="") / name)


def _folder_name(project: str) -> str:
    return quote(project, safe="").replace(".", "%2E")


def _proofs_in(folder: Path) -> list[QueuedProof]:
    try:
        return sorted(QueuedProof(path) for path in folder.iterdir() if FILE_NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []


def _failures_path(proof: QueuedProof) -> Path:
    return proof.path.with_name(f"{proof.path.name}{FAILURES}")


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
    """Make a folder and its parents, for their owner alone, and flush them to the disk."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _fsync_folder(folder.parent)


def _write(path: Path, content: bytes) -> None:
    """Write a file so that after a power failure it is complete or absent."""
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
    """Flush the entries of a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
