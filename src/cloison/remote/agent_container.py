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

from cloison.engine.connection import API_TIMEOUT, FAILURES, EngineConnection
from cloison.engine.labels import AGENT_LABEL
from cloison.errors import NotProven
from cloison.linux import file_lock, netns
from cloison.remote.agent_image import image

LOCK: Final = "scout-"
CGROUP_ROOT: Final = "/sys/fs/cgroup"
"""The machine's control groups: to their root a guard is attached."""
SOCKET: Final = "/var/run/docker.sock"
LOCK_FOLDER: Final = "/run/cloison"
"""Where every prover on the engine's machine keeps its locks."""
DESKTOP: Final = "Docker Desktop"
LIFTED_SECURITY_OPTIONS: Final = {"apparmor": "apparmor=unconfined", "selinux": "label=disable"}
"""What an engine reports that would keep a container from the processes of others, and how that is lifted for one."""
MAX_AGE_UNSTARTED: Final = 60
"""Seconds after which a scout of another machine that never started counts as left over."""
MAX_AGE: Final = 3600
"""Seconds after which any scout of another machine does."""
EXIT_TIMEOUT: Final = 30
"""Seconds for a scout to take away what it has made: a rehearsal takes the longest."""
POLL_INTERVAL: Final = 0.05
FRAME_HEADER: Final = struct.Struct(">BxxxL")
"""A frame of an attached container: which stream, and how many bytes follow."""
STDOUT: Final = 1
STDERR_TAIL: Final = 2000
"""Bytes of a scout's standard error that are kept for a sentence."""


@dataclass(slots=True)
class Agent:
    """A running scout and the line to it."""

    line: Any
    """The socket of the attached container."""
    output_lines: queue.SimpleQueue[bytes] = field(default_factory=queue.SimpleQueue)
    """Whole lines; an empty one is the end."""
    errors: bytes = b""
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read_output, daemon=True)
        self.reader.start()

    def send(self, text: bytes) -> None:
        """Say something.

        Raises NotProven when the line is broken.
        """
        try:
            self.line.sendall(text)
        except OSError as error:
            raise NotProven(f"the scout on the engine's machine cannot be reached: {error}") from error

    def close(self) -> None:
        """End the line, and with it the scout."""
        with suppress(OSError):  # it has ended already
            self.line.shutdown(socket.SHUT_RDWR)
        self.reader.join(API_TIMEOUT)
        os.close(self.line.detach())  # the library's own response still refers to it, and would keep it open

    def messages(self) -> Iterator[bytes]:
        """Yield what it says.

        Raises NotProven when the line ends, or nothing comes for too long: a scout gives a sign of life every second.
        """
        while True:
            try:
                line = self.output_lines.get(timeout=API_TIMEOUT)
            except queue.Empty:
                raise NotProven(f"the engine's machine has given no sign of life for {API_TIMEOUT} s") from None
            if not line:
                words = self.errors.decode(errors="replace").strip().splitlines()
                why = words[-1] if words else "the engine or somebody else ended it"
                raise NotProven(f"the scout on the engine's machine ended without a proof: {why}")
            yield line

    def _read_output(self) -> None:
        """Take in everything until the line ends."""
        rest = b""
        with suppress(OSError, ValueError), self.line.makefile("rb") as stream:
            for number, part in _frames(stream):
                if number == STDOUT:
                    *whole, rest = (rest + part).split(b"\n")
                    for line in whole:
                        self.output_lines.put(line)
                else:
                    self.errors = (self.errors + part)[-STDERR_TAIL:]
        self.output_lines.put(b"")


def _frames(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    while len(head := stream.read(FRAME_HEADER.size)) == FRAME_HEADER.size:
        number, length = FRAME_HEADER.unpack(head)
        yield number, stream.read(length)


@contextmanager
def running_agent(engine: EngineConnection, progress: Callable[[str], None]) -> Iterator[tuple[Agent, int]]:
    """Have a scout on the engine's machine, and the lock that tells that its command lives.

    Raises NotProven when the engine cannot run one.
    """
    token = secrets.token_hex(8)
    lock = _take_lock(token)
    name = f"cloison-{LOCK}{token}"
    try:
        _remove_leftovers(engine.api)
        image_name = image(engine.api, progress)
        with ExitStack() as stack:
            stack.callback(_await_removal, engine.api, name)
            agent = _start_agent(engine, image_name, name, token)
            stack.callback(agent.close)
            yield agent, lock
    except FAILURES as error:
        raise NotProven(f"the engine at {engine.address} cannot run the scout: {_one_line(error)}") from error
    finally:
        file_lock.release(LOCK + token, lock)


def _take_lock(token: str) -> int:
    try:
        lock = file_lock.acquire(LOCK + token)
    except OSError as error:
        raise NotProven(f"{file_lock.FOLDER} cannot be written: {error.strerror}; set XDG_RUNTIME_DIR") from error
    if lock is None:
        raise NotProven(f"somebody holds the lock of {token}; try again")
    return lock


def _start_agent(engine: EngineConnection, image_name: str, name: str, token: str) -> Agent:
    _create(engine, image_name, name, token)
    answer = engine.api.attach_socket(name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    line = getattr(answer, "_sock", answer)  # plain connections come wrapped in a file, those with TLS do not
    line.settimeout(None)  # the scout itself gives signs of life
    agent = Agent(line)
    engine.api.start(name)
    return agent


def _create(engine: EngineConnection, image_name: str, name: str, token: str) -> None:
    """Make the container, with the engine's own socket in it: whichever of its possible paths exists over there."""
    facts = engine.api.info()
    if "rootless" in _security_options(facts):
        raise NotProven(
            f"the engine at {engine.address} is rootless: its containers hang on a network inside its own namespace, "
            "which cannot be looked at yet; nothing is proven"
        )
    paths = list(dict.fromkeys(_sockets(engine, facts)))
    for path in paths:
        # An engine refuses to mount what it does not have.
        with suppress(APIError) if path != paths[-1] else nullcontext():
            engine.api.create_container(
                image_name,
                name=name,
                user="0:0",
                stdin_open=True,
                environment={"DOCKER_HOST": f"unix://{SOCKET}"},
                labels={AGENT_LABEL: token},
                host_config=_host_config(engine.api, facts, path),
            )
            return


def _sockets(engine: EngineConnection, facts: Mapping[str, Any]) -> Iterator[str]:
    if engine.socket and facts.get("OperatingSystem") != DESKTOP:
        yield engine.socket
    yield SOCKET


def _host_config(api: docker.APIClient, facts: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    reported = _security_options(facts)
    lifted = [lift for name, lift in LIFTED_SECURITY_OPTIONS.items() if name in reported]
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
        binds=[f"{LOCK_FOLDER}:{LOCK_FOLDER}", f"{CGROUP_ROOT}:{CGROUP_ROOT}:ro"],
        mounts=[Mount(SOCKET, path, type="bind")],
        log_config=LogConfig(type="none"),
    )
    return config


def _security_options(facts: Mapping[str, Any]) -> set[str]:
    """Return the names of the security options that an engine reports: "name=seccomp,profile=default"."""
    return {str(option).partition(",")[0].removeprefix("name=") for option in facts.get("SecurityOptions") or ()}


def _await_removal(api: docker.APIClient, name: str) -> None:
    """Wait until a scout whose line has ended is gone; one that cannot leave by itself is removed."""
    with suppress(*FAILURES):  # it is gone, or the engine is
        deadline = time.monotonic() + EXIT_TIMEOUT
        while api.inspect_container(name)["State"]["Status"] != "created" and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
        api.remove_container(name, force=True)


def _remove_leftovers(api: docker.APIClient) -> None:
    """Remove the scouts of commands that are no more; what cannot be removed is the next one's."""
    with suppress(*FAILURES, OSError):
        lock_names = file_lock.lock_names(LOCK)
        dead = file_lock.sweep(LOCK, lock_names)
        listed = api.containers(all=True, filters={"label": AGENT_LABEL})
        now = _now(api) if listed else 0
        for item in listed:
            token, age = item["Labels"][AGENT_LABEL], now - item["Created"]
            limit = MAX_AGE if item["State"] == "running" else MAX_AGE_UNSTARTED
            if token in dead or (token not in lock_names and age > limit):
                with suppress(APIError):  # it went by itself
                    api.remove_container(item["Id"], force=True)


def _now(api: docker.APIClient) -> float:
    """Return the time on the engine's machine, whose clock is not ours."""
    text = re.sub(r"\.\d+", "", str(api.info()["SystemTime"]))
    return datetime.fromisoformat(text).timestamp()


def _one_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "explanation", None) or error).split())
