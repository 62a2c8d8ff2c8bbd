"""The agent's container: it has the privileges that proving needs, and it ends with its command.

Input: a connection to an engine. Output: a running agent, with its standard streams.
Rules:
  - The engine removes the container when its program ends (AutoRemove), and the program ends when its standard input
    closes. So nothing of a killed command keeps running.
  - An agent has a token as its label, and its command holds the lock of that token. The container of a killed command
    that never started is found by its free lock; one of another machine by its age.
Source: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
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
from cloison.engine.labels import AGENT_LABEL, AGENT_NAME
from cloison.errors import NotProven
from cloison.linux import file_lock, netns
from cloison.remote.agent_image import image

LOCK: Final = "scout-"
AGENT_NETWORK_MODES: Final = ("host", "none")
"""Of an agent, and of the container that reads the version of an image's Python."""
CGROUP_ROOT: Final = "/sys/fs/cgroup"
"""The machine's control groups; a BPF program is attached to their root."""
SOCKET: Final = "/var/run/docker.sock"
LOCK_FOLDER: Final = "/run/cloison"
"""The folder of the locks of all provers on the engine's machine."""
DESKTOP: Final = "Docker Desktop"
LIFTED_SECURITY_OPTIONS: Final = {"apparmor": "apparmor=unconfined", "selinux": "label=disable"}
"""Security options of an engine that hide other containers' processes, and how one container is exempted."""
MAX_AGE_UNSTARTED: Final = 60
"""Seconds after which an agent of another machine that never started counts as left over."""
MAX_AGE: Final = 3600
"""Seconds after which any agent of another machine counts as left over."""
EXIT_TIMEOUT: Final = 30
"""Seconds for an agent to remove what it has made; a rehearsal takes the longest."""
POLL_INTERVAL: Final = 0.05
FRAME_HEADER: Final = struct.Struct(">BxxxL")
"""The header of a frame of an attached container: the stream (1 is stdout, 2 stderr), and the length of the payload."""
STDOUT: Final = 1
STDERR_TAIL: Final = 2000
"""Bytes of an agent's standard error that are kept for an error message."""


@dataclass(slots=True)
class Agent:
    """A running agent and the connection to its standard streams."""

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
        """Write to the agent's standard input.

        Raises NotProven when the connection is broken.
        """
        try:
            self.line.sendall(text)
        except OSError as error:
            raise NotProven(f"the agent on the engine's machine cannot be reached: {error}") from error

    def close(self) -> None:
        """Close the agent's standard input, which ends it."""
        with suppress(OSError):  # it has ended already
            self.line.shutdown(socket.SHUT_RDWR)
        self.reader.join(API_TIMEOUT)
        os.close(self.line.detach())  # the library's response still refers to it

    def messages(self) -> Iterator[bytes]:
        """Yield the lines of its standard output.

        Raises NotProven when the connection ends, or no line comes for API_TIMEOUT: an agent sends one every second.
        """
        while True:
            try:
                line = self.output_lines.get(timeout=API_TIMEOUT)
            except queue.Empty:
                raise NotProven(f"the agent on the engine's machine has sent nothing for {API_TIMEOUT} s") from None
            if not line:
                error_lines = self.errors.decode(errors="replace").strip().splitlines()
                why = error_lines[-1] if error_lines else "the engine or another process ended it"
                raise NotProven(f"the agent on the engine's machine ended without a proof: {why}")
            yield line

    def _read_output(self) -> None:
        """Read both streams until the connection ends."""
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
    """Run an agent on the engine's machine; provide it and the descriptor of its lock.

    Raises NotProven when the engine cannot run one.
    """
    token = secrets.token_hex(8)
    lock = _take_lock(token)
    name = AGENT_NAME + token
    try:
        _remove_leftovers(engine.api)
        image_name = image(engine.api, progress)
        with ExitStack() as stack:
            stack.callback(_await_removal, engine.api, name)
            agent = _start_agent(engine, image_name, name, token)
            stack.callback(agent.close)
            yield agent, lock
    except FAILURES as error:
        raise NotProven(f"the engine at {engine.address} cannot run the agent: {_one_line(error)}") from error
    finally:
        file_lock.release(LOCK + token, lock)


def _take_lock(token: str) -> int:
    try:
        lock = file_lock.acquire(LOCK + token)
    except OSError as error:
        raise NotProven(f"{file_lock.FOLDER} cannot be written: {error.strerror}; set XDG_RUNTIME_DIR") from error
    if lock is None:
        raise NotProven(f"another process holds the lock of {token}; try again")
    return lock


def _start_agent(engine: EngineConnection, image_name: str, name: str, token: str) -> Agent:
    _create(engine, image_name, name, token)
    answer = engine.api.attach_socket(name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    line = getattr(answer, "_sock", answer)  # plain connections come wrapped in a file, those with TLS do not
    line.settimeout(None)  # `messages` has the time limit
    agent = Agent(line)
    engine.api.start(name)
    return agent


def _create(engine: EngineConnection, image_name: str, name: str, token: str) -> None:
    """Make the container, with the engine's socket mounted from the first possible path that exists on its machine."""
    facts = engine.api.info()
    if "rootless" in _security_options(facts):
        raise NotProven(
            f"the engine at {engine.address} is rootless: its networks are inside its own network namespace, "
            "which cannot be entered yet; nothing is proven"
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
        # setns(2) needs the capabilities in the user namespace that owns the target: the initial one.
        userns_mode="host" if "userns" in reported else None,
        cap_drop=["ALL"],
        cap_add=list(netns.CAPABILITIES),
        security_opt=["no-new-privileges", *lifted],
        read_only=True,
        # A bind creates a folder that is missing, a mount does not.
        binds=[f"{LOCK_FOLDER}:{LOCK_FOLDER}", f"{CGROUP_ROOT}:{CGROUP_ROOT}:ro"],
        mounts=[Mount(SOCKET, path, type="bind")],
        log_config=LogConfig(type="none"),
    )
    return config


def _security_options(facts: Mapping[str, Any]) -> set[str]:
    """Return the names of the security options that an engine reports: "name=seccomp,profile=default"."""
    return {str(option).partition(",")[0].removeprefix("name=") for option in facts.get("SecurityOptions") or ()}


def _await_removal(api: docker.APIClient, name: str) -> None:
    """Wait until an agent whose input is closed has been removed; remove it by force after EXIT_TIMEOUT."""
    with suppress(*FAILURES):  # the container is gone, or the engine
        deadline = time.monotonic() + EXIT_TIMEOUT
        while api.inspect_container(name)["State"]["Status"] != "created" and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
        api.remove_container(name, force=True)


def _remove_leftovers(api: docker.APIClient) -> None:
    """Remove the agents of killed commands; a failure is left to the next command."""
    with suppress(*FAILURES, OSError):
        lock_names = file_lock.lock_names(LOCK)
        dead = file_lock.sweep(LOCK, lock_names)
        listed = api.containers(all=True, filters={"label": AGENT_LABEL})
        now = _now(api) if listed else 0
        for item in listed:
            token, age = item["Labels"][AGENT_LABEL], now - item["Created"]
            limit = MAX_AGE if item["State"] == "running" else MAX_AGE_UNSTARTED
            is_left_over = token in dead or (token not in lock_names and age > limit)
            if is_left_over and _is_agent(item, token):
                with suppress(APIError):  # it has been removed meanwhile
                    api.remove_container(item["Id"], force=True)


def _is_agent(item: Mapping[str, Any], token: str) -> bool:
    """Whether a listed container is an agent: any container may have the label, and images pass theirs on."""
    mode = (item.get("HostConfig") or {}).get("NetworkMode")
    return mode in AGENT_NETWORK_MODES and f"/{AGENT_NAME}{token}" in (item.get("Names") or ())


def _now(api: docker.APIClient) -> float:
    """Return the time on the engine's machine, in seconds; its clock may differ from this one."""
    text = re.sub(r"\.\d+", "", str(api.info()["SystemTime"]))
    return datetime.fromisoformat(text).timestamp()


def _one_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "explanation", None) or error).split())
