"""The scout's container: made with what proving needs and nothing more, and gone when the line to it ends.

Rules:
  - The engine removes the container by itself when its program ends (AutoRemove), and the program ends with its
    standard input. So a killed command leaves nothing that runs.
  - A scout carries a token as its label, and the command holds the lock of that token. What a killed command has
    left unstarted is known by its free lock; what another machine has left, by its age.
"""

from __future__ import annotations

import os
import queue
import re
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Final

import docker
from docker.errors import APIError
from docker.types import LogConfig, Mount

from cloison.engine.connection import FAILURES, SECONDS, Reached
from cloison.errors import NotProven
from cloison.linux import file_lock, netns
from cloison.remote.agent_image import image
from cloison.remote.protocol import LABEL

LOCK: Final = "scout-"
GROUPS: Final = "/sys/fs/cgroup"
"""The machine's control groups: to their root a guard is attached."""
SOCKET: Final = "/var/run/docker.sock"
LOCKS: Final = "/run/cloison"
"""Where every prover on the engine's machine keeps its locks."""
DESKTOP: Final = "Docker Desktop"
CONFINEMENTS: Final = {"apparmor": "apparmor=unconfined", "selinux": "label=disable"}
"""What an engine reports that would keep a container from the processes of others, and how that is lifted for one."""
UNSTARTED: Final = 60
"""Seconds after which a scout of another machine that never started counts as left over."""
LONGEST: Final = 3600
"""Seconds after which any scout of another machine does."""
LEAVING: Final = 30
"""Seconds for a scout to take away what it has made: a rehearsal takes the longest."""
PAUSE: Final = 0.05
HEAD: Final = struct.Struct(">BxxxL")
"""A frame of an attached container: which stream, and how many bytes follow."""
OUT: Final = 1
LAST: Final = 2000
"""Bytes of a scout's standard error that are kept for a sentence."""


@dataclass(slots=True)
class Scout:
    """A running scout and the line to it."""

    line: Any
    """The socket of the attached container."""
    said: queue.SimpleQueue[bytes] = field(default_factory=queue.SimpleQueue)
    """Whole lines; an empty one is the end."""
    errors: bytes = b""
    listener: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def send(self, text: bytes) -> None:
        """Say something.

        Raises NotProven when the line is broken.
        """
        try:
            self.line.sendall(text)
        except OSError as error:
            raise NotProven(f"the scout on the engine's machine cannot be reached: {error}") from error

    def hang_up(self) -> None:
        """End the line, and with it the scout."""
        with suppress(OSError):  # it has ended already
            self.line.shutdown(socket.SHUT_RDWR)
        self.listener.join(SECONDS)
        os.close(self.line.detach())  # the library's own response still refers to it, and would keep it open

    def lines(self) -> Iterator[bytes]:
        """Yield what it says.

        Raises NotProven when the line ends, or nothing comes for too long: a scout gives a sign of life every second.
        """
        while True:
            try:
                line = self.said.get(timeout=SECONDS)
            except queue.Empty:
                raise NotProven(f"the engine's machine has given no sign of life for {SECONDS} s") from None
            if not line:
                words = self.errors.decode(errors="replace").strip().splitlines()
                why = words[-1] if words else "the engine or somebody else ended it"
                raise NotProven(f"the scout on the engine's machine ended without a proof: {why}")
            yield line

    def _listen(self) -> None:
        """Take in everything until the line ends."""
        rest = b""
        with suppress(OSError, ValueError), self.line.makefile("rb") as stream:
            for number, part in _frames(stream):
                if number == OUT:
                    *whole, rest = (rest + part).split(b"\n")
                    for line in whole:
                        self.said.put(line)
                else:
                    self.errors = (self.errors + part)[-LAST:]
        self.said.put(b"")


def _frames(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    while len(head := stream.read(HEAD.size)) == HEAD.size:
        number, length = HEAD.unpack(head)
        yield number, stream.read(length)


@contextmanager
def sent(engine: Reached, talk: Callable[[str], None]) -> Iterator[tuple[Scout, int]]:
    """Have a scout on the engine's machine, and the lock that tells that its command lives.

    Raises NotProven when the engine cannot run one.
    """
    token = secrets.token_hex(8)
    lock = _locked(token)
    name = f"cloison-{LOCK}{token}"
    try:
        _sweep(engine.api)
        made = image(engine.api, talk)
        with ExitStack() as stack:
            stack.callback(_end, engine.api, name)
            scout = _started(engine, made, name, token)
            stack.callback(scout.hang_up)
            yield scout, lock
    except FAILURES as error:
        raise NotProven(f"the engine at {engine.address} cannot run the scout: {_plain(error)}") from error
    finally:
        file_lock.forget(LOCK + token, lock)


def _locked(token: str) -> int:
    try:
        lock = file_lock.take(LOCK + token)
    except OSError as error:
        raise NotProven(f"{file_lock.FOLDER} cannot be written: {error.strerror}; set XDG_RUNTIME_DIR") from error
    if lock is None:
        raise NotProven(f"somebody holds the lock of {token}; try again")
    return lock


def _started(engine: Reached, made: str, name: str, token: str) -> Scout:
    _create(engine, made, name, token)
    answer = engine.api.attach_socket(name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    line = getattr(answer, "_sock", answer)  # plain connections come wrapped in a file, those with TLS do not
    line.settimeout(None)  # the scout itself gives signs of life
    scout = Scout(line)
    engine.api.start(name)
    return scout


def _create(engine: Reached, made: str, name: str, token: str) -> None:
    """Make the container, with the engine's own socket in it: whichever of its possible paths exists over there."""
    facts = engine.api.info()
    if "rootless" in _confinements(facts):
        raise NotProven(
            f"the engine at {engine.address} is rootless: its containers hang on a network inside its own namespace, "
            "which cannot be looked at yet; nothing is proven"
        )
    paths = list(dict.fromkeys(_sockets(engine, facts)))
    for path in paths:
        # An engine refuses to mount what it does not have.
        with suppress(APIError) if path != paths[-1] else nullcontext():
            engine.api.create_container(
                made,
                name=name,
                user="0:0",
                stdin_open=True,
                environment={"DOCKER_HOST": f"unix://{SOCKET}"},
                labels={LABEL: token},
                host_config=_host_config(engine.api, facts, path),
            )
            return


def _sockets(engine: Reached, facts: Mapping[str, Any]) -> Iterator[str]:
    if engine.socket and facts.get("OperatingSystem") != DESKTOP:
        yield engine.socket
    yield SOCKET


def _host_config(api: docker.APIClient, facts: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    reported = _confinements(facts)
    lifted = [lift for name, lift in CONFINEMENTS.items() if name in reported]
    config: Mapping[str, Any] = api.create_host_config(
        auto_remove=True,
        pid_mode="host",
        network_mode="host",
        # Capabilities over the namespaces of others are those of the first user namespace.
        userns_mode="host" if "userns" in reported else None,
        cap_drop=["ALL"],
        cap_add=list(netns.CAPABILITIES),
        security_opt=["no-new-privileges", *lifted],
        read_only=True,
        # A bind makes the folder where it is missing, a mount does not.
        binds=[f"{LOCKS}:{LOCKS}", f"{GROUPS}:{GROUPS}:ro"],
        mounts=[Mount(SOCKET, path, type="bind")],
        log_config=LogConfig(type="none"),
    )
    return config


def _confinements(facts: Mapping[str, Any]) -> set[str]:
    """Return the names of the security options that an engine reports: "name=seccomp,profile=default"."""
    return {str(option).partition(",")[0].removeprefix("name=") for option in facts.get("SecurityOptions") or ()}


def _end(api: docker.APIClient, name: str) -> None:
    """Wait until a scout whose line has ended is gone; one that cannot leave by itself is removed."""
    with suppress(*FAILURES):  # it is gone, or the engine is
        deadline = time.monotonic() + LEAVING
        while api.inspect_container(name)["State"]["Status"] != "created" and time.monotonic() < deadline:
            time.sleep(PAUSE)
        api.remove_container(name, force=True)


def _sweep(api: docker.APIClient) -> None:
    """Remove the scouts of commands that are no more; what cannot be removed is the next one's."""
    with suppress(*FAILURES, OSError):
        known = file_lock.known(LOCK)
        dead = {token for token in known if _is_dead(token)}
        listed = api.containers(all=True, filters={"label": LABEL})
        now = _now(api) if listed else 0
        for item in listed:
            token, age = item["Labels"][LABEL], now - item["Created"]
            limit = LONGEST if item["State"] == "running" else UNSTARTED
            if token in dead or (token not in known and age > limit):
                with suppress(APIError):  # it went by itself
                    api.remove_container(item["Id"], force=True)


def _is_dead(token: str) -> bool:
    lock = file_lock.take(LOCK + token)
    if lock is not None:
        file_lock.forget(LOCK + token, lock)
    return lock is not None


def _now(api: docker.APIClient) -> float:
    """Return the time on the engine's machine, whose clock is not ours."""
    text = re.sub(r"\.\d+", "", str(api.info()["SystemTime"]))
    return datetime.fromisoformat(text).timestamp()


def _plain(error: Exception) -> str:
    return " ".join(str(getattr(error, "explanation", None) or error).split())
