from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.setup.conftest import FakeMachine

PROXY = "echo $'world-proxy-1\\tworld\\tproxy'"
STRANGER = "echo $'shop-web-1\\tshop\\tweb'"


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server(("0.0.0.0", 0)) as door:
        yield str(door.getsockname()[1])


@pytest.fixture
def prepared(fake_machine: FakeMachine) -> FakeMachine:
    assert fake_machine.run("setup/python.sh").code == 0
    return fake_machine


def test_a_free_port_gives_the_address(prepared: FakeMachine) -> None:
    result = prepared.run("setup/check-port.sh", CLOISON_PORT="18499")

    assert (result.code, result.said) == (0, "http://localhost:18499\n")


def test_an_address_of_its_own_is_in_the_address_to_open(prepared: FakeMachine) -> None:
    result = prepared.run("setup/check-port.sh", CLOISON_PORT="18499", CLOISON_BIND="::1")

    assert result.said == "http://[::1]:18499\n"


def test_a_port_that_a_program_holds_names_it_and_suggests_a_free_one(prepared: FakeMachine, taken: str) -> None:
    result = prepared.run("setup/check-port.sh", CLOISON_PORT=taken)

    assert result.code == 1
    assert f"Port {taken} is taken by py" in result.said
    suggestion = result.said.split("CLOISON_PORT=")[1].split()[0]
    assert prepared.run("setup/check-port.sh", CLOISON_PORT=suggestion).code == 0


def test_a_port_that_another_stack_publishes_names_its_container(prepared: FakeMachine, taken: str) -> None:
    prepared.docker({'"ps --filter publish="*': STRANGER})

    result = prepared.run("setup/check-port.sh", CLOISON_PORT=taken)

    assert result.code == 1
    assert f"Port {taken} is taken by the container shop-web-1. Stop it, or" in result.said


def test_a_port_that_our_own_proxy_publishes_is_not_taken(prepared: FakeMachine, taken: str) -> None:
    prepared.docker({'"ps --filter publish="*': PROXY})

    assert prepared.run("setup/check-port.sh", CLOISON_PORT=taken).said == f"http://localhost:{taken}\n"


def test_a_port_on_another_machine_is_not_tried_on_this_one(prepared: FakeMachine, taken: str) -> None:
    prepared.docker({'"context inspect"*': "echo tcp://192.0.2.1:2376"})

    assert prepared.run("setup/check-port.sh", CLOISON_PORT=taken).code == 0


@pytest.mark.parametrize("port", ["0", "65536", "http", "80 80", "-1"])
def test_what_is_no_port_is_refused(prepared: FakeMachine, port: str) -> None:
    result = prepared.run("setup/check-port.sh", CLOISON_PORT=port)

    assert result.code == 1
    assert f'CLOISON_PORT is "{port}". It is a number from 1 to 65535' in result.said


def test_what_is_no_address_is_refused(prepared: FakeMachine) -> None:
    result = prepared.run("setup/check-port.sh", CLOISON_PORT="18499", CLOISON_BIND="lan")

    assert result.code == 1
    assert 'CLOISON_BIND is "lan". It is an address of this machine' in result.said


def test_the_port_that_was_asked_for_is_kept_for_plain_compose(prepared: FakeMachine) -> None:
    prepared.dotenv.write_text("MINE=1\n")

    prepared.run("setup/check-port.sh", CLOISON_PORT="18499")

    assert prepared.dotenv.read_text().startswith("MINE=1\n")
    assert "\nCLOISON_PORT=18499\n" in prepared.dotenv.read_text()
    assert prepared.run("setup/check-port.sh").said == "http://localhost:18499\n"
