"""The command probes itself only if the engine's containers are processes of this machine."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.remote.ordinary_user import UID

from cloison.engine.connection import EngineConnection, engine_connection
from cloison.errors import NotProven

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.engine


class Api:
    """An engine's answer about its kernel."""

    def __init__(self, kernel: str) -> None:
        self.kernel = kernel

    def version(self) -> dict[str, str]:
        """Return it as the engine does."""
        return {"KernelVersion": self.kernel}


def engine(address: str, kernel: str = "") -> EngineConnection:
    """Return an engine that answers at an address, of this kernel unless another is named."""
    api: Any = Api(kernel or platform.release())
    return EngineConnection(api, address)


def listening(path: Path, owner: int) -> socket.socket:
    """Return a listening Unix socket of a user."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    os.seteuid(owner)  # the kernel notes who listens
    made.listen()
    os.seteuid(0)
    return made


def test_the_engine_of_this_machine_is_local() -> None:
    with engine_connection() as found:
        assert found.is_local()


@pytest.mark.parametrize(("owner", "kernel", "here"), [(0, "", True), (0, "6.10.14-linuxkit", False), (UID, "", False)])
def test_a_socket_of_this_machine_may_belong_to_a_remote_engine(
    tmp_path: Path, owner: int, kernel: str, here: bool
) -> None:
    with listening(tmp_path / "engine.sock", owner):
        assert here == engine(f"unix://{tmp_path}/engine.sock", kernel).is_local()


def test_an_engine_at_an_address_is_remote() -> None:
    assert not engine("tcp://127.0.0.1:2375").is_local()
    assert not engine("ssh://far").is_local()


ASK = """
import sys
from tests.integration.remote.test_engine_locality import engine
print(engine(sys.argv[1]).is_local())
"""


@pytest.mark.parametrize(("words", "here"), [((), "True"), (("unshare", "--pid", "--fork"), "False")])
def test_an_engine_in_another_pid_namespace_is_remote(tmp_path: Path, words: tuple[str, ...], here: str) -> None:
    with listening(tmp_path / "engine.sock", 0):
        asked = [*words, sys.executable, "-c", ASK, f"unix://{tmp_path}/engine.sock"]
        done = subprocess.run(asked, check=True, capture_output=True, text=True, cwd=ROOT)

    assert here == done.stdout.strip()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("tcp://127.0.0.1:1", "no Docker engine answers at tcp://127.0.0.1:1: Connection refused. Is it running?"),
        ("tcp://nowhere.invalid:2375", "no Docker engine answers at tcp://nowhere.invalid:2375: "),
        ("ssh://nobody@127.0.0.1:1", "no Docker engine answers at ssh://nobody@127.0.0.1:1: ssh: connect to host"),
        ("unix:///nowhere.sock", "no Docker engine answers at unix:///nowhere.sock: No such file or directory."),
    ],
)
def test_an_engine_that_cannot_be_reached_is_one_sentence(
    address: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)

    with pytest.raises(NotProven) as raised, engine_connection():
        pass

    assert str(raised.value).startswith(sentence)
    assert "Connection" not in str(raised.value).replace("Connection refused", "")
