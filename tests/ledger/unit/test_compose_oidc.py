"""The Compose file for the login at an OpenID provider keeps the application away from the outside."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {"CLOISON_OIDC_ISSUER": "https://id.example", "CLOISON_OIDC_CLIENT_SECRET_FILE": "/dev/null"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The project as Compose reads it."""
    files = ("--file", "compose.yml", "--file", "compose.oidc.yml")
    command = ("docker", "compose", *files, "config", "--format", "json")
    shown = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, env={**os.environ, **ENVIRONMENT}
    )
    read: dict[str, Any] = json.loads(shown.stdout)
    return read


def test_the_application_is_on_internal_networks_only(project: dict[str, Any]) -> None:
    networks = project["services"]["app"]["networks"]

    assert sorted(networks) == ["backend_net", "oidc_net"]
    assert all(project["networks"][name]["internal"] for name in networks)


def test_the_egress_proxy_meets_the_application_and_nobody_else(project: dict[str, Any]) -> None:
    services = project["services"]
    assert sorted(services["oidc-egress"]["networks"]) == ["egress_net", "oidc_net"]

    shared = {
        name
        for name, service in services.items()
        if set(service["networks"]) & set(services["oidc-egress"]["networks"])
    }
    assert shared == {"app", "oidc-egress"}
    assert "ports" not in services["oidc-egress"]
    assert services["oidc-egress"]["read_only"] is True
    assert services["oidc-egress"]["cap_drop"] == ["ALL"]


def test_the_policy_of_the_stack_holds_with_it() -> None:
    files = ("--file", "compose.yml", "--file", "compose.oidc.yml")
    command = (str(ROOT / ".venv" / "bin" / "cloison"), "plan", *files)
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **ENVIRONMENT}, check=False
    )

    assert done.returncode == 0, done.stdout


def test_without_a_provider_the_file_is_refused_with_a_sentence() -> None:
    files = ("--file", "compose.yml", "--file", "compose.oidc.yml")
    command = ("docker", "compose", *files, "config", "--quiet")
    unset = {name: value for name, value in os.environ.items() if not name.startswith("CLOISON_")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=unset, check=False)

    assert done.returncode != 0
    assert "the address of the provider" in done.stderr
