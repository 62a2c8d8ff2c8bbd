"""What the engine and the kernel say about the containers, against what the file promises."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.stack.conftest import SERVICES

if TYPE_CHECKING:
    from tests.e2e.stack.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.parametrize("service", SERVICES)]


def status(stack: "Stack", service: str) -> dict[str, str]:
    text = Path(f"/proc/{stack.inspect(service)['State']['Pid']}/status").read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE))


def host_config(stack: "Stack", service: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.inspect(service)["HostConfig"]
    return found


def test_the_kernel_grants_no_capability(stack: "Stack", service: str) -> None:
    shown = status(stack, service)

    assert {shown[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}
    assert shown["NoNewPrivs"] == "1"


def test_it_does_not_run_as_root(stack: "Stack", service: str) -> None:
    assert "0" not in status(stack, service)["Uid"].split()


def test_its_root_file_system_is_read_only(stack: "Stack", service: str) -> None:
    assert host_config(stack, service)["ReadonlyRootfs"] is True
    assert "refused" in stack.inside(service, "sh", "-c", "touch /etc/x 2>/dev/null || echo refused")


def test_it_cannot_starve_the_machine(stack: "Stack", service: str) -> None:
    config = host_config(stack, service)

    assert 0 < config["Memory"] <= 768 * 1024**2
    assert 0 < config["PidsLimit"] <= 200


def test_its_log_cannot_fill_the_disk(stack: "Stack", service: str) -> None:
    log = host_config(stack, service)["LogConfig"]

    assert log == {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "3"}}


def test_it_comes_back(stack: "Stack", service: str) -> None:
    assert host_config(stack, service)["RestartPolicy"]["Name"] == "always"


def test_it_is_on_its_networks_and_no_other(stack: "Stack", service: str) -> None:
    expected = {"frontend_net", "backend_net"} if service == "proxy" else {"backend_net"}

    assert stack.inspect(service)["NetworkSettings"]["Networks"].keys() == set(map(stack.network, expected))


def test_only_the_proxy_publishes(stack: "Stack", service: str) -> None:
    published = {port for port, bound in host_config(stack, service)["PortBindings"].items() if bound}

    assert published == ({"80/tcp"} if service == "proxy" else set())
