"""The program that docker starts."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from importlib.metadata import version

import pytest

from cloison import docker_plugin, entry


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    """Run the program and return its exit code and output."""
    with pytest.raises(SystemExit) as ended:
        docker_plugin.main([*arguments])
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the variables that the program sets."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.setenv(name, "before")


def test_it_says_who_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "docker-cli-plugin-metadata")

    assert (0, version("cloison")) == (code, json.loads(out)["Version"])


def test_a_hook_without_a_next_step_ends_with_an_error_so_that_docker_ignores_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert 0 == answer(capsys, "cloison", "docker-cli-plugin-hooks", '{"Flags": {"d": ""}}')[0]
    assert (1, "", "") == answer(capsys, "cloison", "docker-cli-plugin-hooks", "{}")


def test_the_command_runs_with_the_engine_that_docker_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(argv: list[str], program: str) -> None:
        assert (["prove", "--strict"], "docker cloison") == (argv, program)
        assert ("far", None) == (os.environ["DOCKER_CONTEXT"], os.environ.get("DOCKER_HOST"))
        raise SystemExit(0)

    monkeypatch.setattr(entry, "main", ended)

    with pytest.raises(SystemExit):
        docker_plugin.main(["--context", "far", "cloison", "prove", "--strict"])


def test_the_command_ends_when_docker_closes_its_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    received = threading.Event()
    address = f"docker_plugin_test_{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{address}")
        listener.listen()
        monkeypatch.setenv("DOCKER_CLI_PLUGIN_SOCKET", f"@{address}")

        def wait_for_the_signal(_argv: list[str], _program: str) -> None:
            listener.accept()[0].close()
            raise SystemExit(143 if received.wait(20) else 0)

        monkeypatch.setattr(entry, "main", wait_for_the_signal)
        before = signal.signal(signal.SIGTERM, lambda *_: received.set())
        try:
            with pytest.raises(SystemExit, match="143"):
                docker_plugin.main(["cloison", "prove"])
        finally:
            signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("address", ["", "@nobody_listens", "/nowhere/socket"])
def test_without_a_socket_of_docker_the_command_runs(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(_argv: list[str], _program: str) -> None:
        raise SystemExit(7)

    monkeypatch.setenv("DOCKER_CLI_PLUGIN_SOCKET", address)
    monkeypatch.setattr(entry, "main", ended)

    with pytest.raises(SystemExit, match="7"):
        docker_plugin.main(["cloison", "prove"])


def test_a_wrong_start_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = answer(capsys, "prove")

    assert (2, "") == (code, out)
    assert err.startswith("cloison: this program is started by docker: write `docker cloison --help`")


def test_docker_completes_verbs_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "__complete", "cloison", "pl")

    assert (0, ["plan", "plugin", ":4"]) == (code, [line.split("\t")[0] for line in out.splitlines()])
    assert "--format\tReports" in answer(capsys, "__complete", "cloison", "plan", "--fo")[1]
    assert answer(capsys, "__complete", "cloison")[1].startswith("up\t")
