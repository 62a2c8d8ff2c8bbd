from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.setup.conftest import FakeMachine

PROXY = "echo $'world-proxy-1\\tworld\\tproxy'"
OTHER_STACK = "echo $'shop-web-1\\tshop\\tweb'"


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server(("0.0.0.0", 0)) as sock:
        yield str(sock.getsockname()[1])


@pytest.fixture
def prepared(fake_machine: FakeMachine) -> FakeMachine:
    assert fake_machine.run("setup/python.sh").code == 0
    return fake_machine


def test_a_free_port_gives_the_address(prepared: FakeMachine) -> None:
    result = prepared.run("setup/check-port.sh", CLOISON_PORT="18499")

    assert (result.code, result.said) == (0, "http://localhost:18499\n")


def test_the_printed_address_has_the_bind_address(prepared: FakeMachine) -> None:
    result = prepared.run("setup/check-port.sh", CLOISON_PORT="18499", CLOISON_BIND="::1")

    assert result.said == "http://[::1]:18499\n"


def test_a_taken_port_names_the_program_and_suggests_a_free_port(prepared: FakeMachine, taken: str) -> None:
    result = prepared.run("setup/check-port.sh", CLOISON_PORT=taken)

    assert result.code == 1
    assert f"Port {taken} is taken by py" in result.said
    suggestion = result.said.split("CLOISON_PORT=")[1].split()[0]
    assert prepared.run("setup/check-port.sh", CLOISON_PORT=suggestion).code == 0


def test_a_port_that_another_stack_publishes_names_its_container(prepared: FakeMachine, taken: str) -> None:
    prepared.docker({'"ps --filter publish="*': OTHER_STACK})

    result = prepared.run("setup/check-port.sh", CLOISON_PORT=taken)

    assert result.code == 1
    assert f"Port {taken} is taken by the container shop-web-1. Stop it, or" in result.said


def test_the_port_of_the_stack_s_own_proxy_is_not_taken(prepared: FakeMachine, taken: str) -> None:
    prepared.docker({'"ps --filter publish="*': PROXY})

    assert prepared.run("setup/check-port.sh", CLOISON_PORT=taken).said == f"http://localhost:{taken}\n"


def test_the_port_of_a_remote_engine_is_not_checked_here(prepared: FakeMachine, taken: str) -> None:
    prepared.docker({'"context inspect"*': "echo tcp://192.0.2.1:2376"})

    assert prepared.run("setup/check-port.sh", CLOISON_PORT=taken).code == 0


@pytest.mark.parametrize("port", ["0", "65536", "http", "80 80", "-1"])
def test_an_invalid_port_is_an_error(prepared: FakeMachine, port: str) -> None:
    result = prepared.run("setup/check-port.sh", CLOISON_PORT=port)

    assert result.code == 1
    assert f'CLOISON_PORT is "{port}". It is a number from 1 to 65535' in result.said


def test_an_invalid_address_is_an_error(prepared: FakeMachine) -> None:
    result = prepared.run("setup/check-port.sh", CLOISON_PORT="18499", CLOISON_BIND="lan")

    assert result.code == 1
    assert 'CLOISON_BIND is "lan". It is an address of this machine' in result.said


def test_a_chosen_port_is_saved_for_plain_compose(prepared: FakeMachine) -> None:
    prepared.dotenv.write_text("MINE=1\n")

    prepared.run("setup/check-port.sh", CLOISON_PORT="18499")

    assert prepared.dotenv.read_text().startswith("MINE=1\n")
    assert "\nCLOISON_PORT=18499\n" in prepared.dotenv.read_text()
    assert prepared.run("setup/check-port.sh").said == "http://localhost:18499\n"
