"""setup/https.sh: the certificate that it makes, and when the stack has the file for HTTPS."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.setup.conftest import FakeMachine

URL = "https://ledger.example.org:8443"
PLAIN, AIRGAP = "compose.yml", "compose.yml:compose.airgap.yml"


@pytest.fixture
def machine(fake_machine: FakeMachine) -> FakeMachine:
    """A machine with openssl."""
    fake_machine.have("openssl")
    return fake_machine


def https(machine: FakeMachine, **settings: str) -> str:
    result = machine.run("env", *(f"{name}={value}" for name, value in settings.items()), "setup/https.sh")
    assert result.code == 0, result.said
    return result.said


def settings_of(machine: FakeMachine) -> dict[str, str]:
    lines = machine.dotenv.read_text().splitlines() if machine.dotenv.exists() else []
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def certificate(machine: FakeMachine) -> Path:
    return machine.clone / "tls/live/fullchain.pem"


def verified(machine: FakeMachine, name: str, option: str = "-verify_hostname") -> bool:
    """Tell whether a client that knows the authority accepts the certificate under a name."""
    words = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(machine.clone / "tls/ca.pem")]
    done = subprocess.run([*words, option, name, str(certificate(machine))], check=False, capture_output=True)
    return done.returncode == 0


def test_one_command_gives_a_certificate_and_the_file(machine: FakeMachine) -> None:
    said = https(machine, CLOISON_PUBLIC_URL=URL)

    assert "tls/ca.pem" in said
    assert settings_of(machine) == {
        "CLOISON_PUBLIC_URL": URL,
        "CLOISON_HTTPS_PORT": "8443",
        "COMPOSE_FILE": "compose.yml:compose.tls.yml",
    }
    assert verified(machine, "ledger.example.org")
    assert not verified(machine, "other.example.org")


def test_only_its_owner_reaches_the_keys(machine: FakeMachine) -> None:
    https(machine, CLOISON_PUBLIC_URL=URL)
    folder = machine.clone / "tls"

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (folder / "live/privkey.pem").stat().st_mode & 0o777 == 0o644  # the container's user reads it


@pytest.mark.parametrize(("host", "address"), [("192.0.2.7", "192.0.2.7"), ("[2001:db8::7]", "2001:db8::7")])
def test_an_address_is_a_name_too(machine: FakeMachine, host: str, address: str) -> None:
    https(machine, CLOISON_PUBLIC_URL=f"https://{host}")

    assert verified(machine, address, "-verify_ip")
    assert settings_of(machine)["CLOISON_HTTPS_PORT"] == "443"


def test_a_second_run_changes_nothing(machine: FakeMachine) -> None:
    https(machine, CLOISON_PUBLIC_URL=URL)
    before = certificate(machine).read_bytes(), settings_of(machine)
    https(machine)

    assert (certificate(machine).read_bytes(), settings_of(machine)) == before


def test_another_name_gets_another_certificate_of_the_same_authority(machine: FakeMachine) -> None:
    https(machine, CLOISON_PUBLIC_URL=URL)
    authority = (machine.clone / "tls/ca.pem").read_bytes()
    https(machine, CLOISON_PUBLIC_URL="https://new.example.org")

    assert verified(machine, "new.example.org")
    assert (machine.clone / "tls/ca.pem").read_bytes() == authority


def test_a_certificate_of_one_s_own_is_kept(machine: FakeMachine) -> None:
    https(machine, CLOISON_PUBLIC_URL=URL)
    for name in ("ca.pem", "ca.key"):
        (machine.clone / "tls" / name).unlink()
    before = certificate(machine).read_bytes()
    said = https(machine, CLOISON_PUBLIC_URL="https://new.example.org")

    assert certificate(machine).read_bytes() == before
    assert "The certificate in tls/live is not valid for new.example.org" in said


@pytest.mark.parametrize(
    "settings",
    [
        {"CLOISON_PUBLIC_URL": "http://ledger.example.org:8080"},
        {"CLOISON_PUBLIC_URL": URL, "CLOISON_TRUSTED_PROXIES": "192.0.2.1"},
    ],
    ids=["plain", "behind a proxy"],
)
def test_without_tls_of_its_own_the_file_is_taken_out_again(machine: FakeMachine, settings: dict[str, str]) -> None:
    https(machine, CLOISON_PUBLIC_URL=URL)
    https(machine, **settings)

    assert settings_of(machine)["COMPOSE_FILE"] == PLAIN


def test_the_choice_of_the_images_stays(machine: FakeMachine) -> None:
    machine.dotenv.write_text(f"COMPOSE_FILE={AIRGAP}\n")
    https(machine, CLOISON_PUBLIC_URL=URL)

    assert settings_of(machine)["COMPOSE_FILE"] == f"{AIRGAP}:compose.tls.yml"


@pytest.mark.parametrize("url", ["ledger.example.org", "https://ledger.example.org/path", "https://", "https://a b"])
def test_an_address_that_is_none_is_an_error(machine: FakeMachine, url: str) -> None:
    result = machine.run("setup/https.sh", CLOISON_PUBLIC_URL=url)

    assert result.code == 1
    assert f'CLOISON_PUBLIC_URL is "{url}". It is a scheme and a host' in result.said


def test_a_file_list_of_the_environment_is_not_overruled(machine: FakeMachine) -> None:
    result = machine.run("setup/https.sh", CLOISON_PUBLIC_URL=URL, COMPOSE_FILE=PLAIN)

    assert result.code == 1
    assert "Set it to compose.yml:compose.tls.yml" in result.said
