"""Logins from Docker's own configuration."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cloison.errors import UsageError
from cloison.publish import credentials

AUTH = base64.b64encode(b"me:secret").decode()
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Have Docker's configuration say something."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def written(text: str, name: str = "config.json") -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    return written


@pytest.mark.parametrize("key", ["docker.io", "index.docker.io", "https://index.docker.io/v1/"])
def test_docker_hub_is_found_under_each_of_its_names(write: Write, key: str) -> None:
    write(json.dumps({"auths": {key: {"auth": AUTH}}}))

    login = credentials.from_configuration("docker.io")

    assert (login.user, login.auth_config["password"]) == ("me", "secret")


def test_an_identity_token_is_a_login(write: Write) -> None:
    write(json.dumps({"auths": {"registry.example": {"auth": AUTH, "identitytoken": "token"}}}))

    assert credentials.from_configuration("registry.example").auth_config == {"IdentityToken": "token"}


def test_another_registrys_password_is_not_used(write: Write) -> None:
    write(json.dumps({"auths": {"registry.example": {"auth": AUTH}}}))

    assert credentials.from_configuration("registry.example:5000") == credentials.Login()


@pytest.mark.parametrize("text", ["{}", '{"auths": {"registry.example": {}}}', '{"currentContext": "x"}'])
def test_no_login_is_an_empty_one(write: Write, text: str) -> None:
    write(text)

    assert credentials.from_configuration("registry.example") == credentials.Login()


def test_no_configuration_is_no_login(write: Write) -> None:
    assert credentials.from_configuration("registry.example") == credentials.Login()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"auths": {"x": 1}}', '{"auths": {"x": {"auth": "%"}}}', "\udcff"])
def test_a_broken_configuration_is_an_error_and_not_no_login(write: Write, text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(UsageError) as complaint:
        credentials.from_configuration("registry.example")

    assert f"{tmp_path / 'config.json'} is not a valid configuration of Docker" in str(complaint.value)


@pytest.mark.parametrize("script", ["exit 1", "echo secret; exit 1", "echo no json", "echo '{}'", "echo '[]'"])
def test_a_broken_helper_is_an_error_and_its_words_are_kept(write: Write, script: str) -> None:
    """A helper prints secrets, so nothing that it printed is shown."""
    write('{"credHelpers": {"registry.example": "broken"}}')
    write(f"#!/bin/sh\n{script}\n", "docker-credential-broken")

    with pytest.raises(UsageError) as complaint:
        credentials.from_configuration("registry.example")

    assert "docker-credential-broken" in str(complaint.value)
    assert "secret" not in str(complaint.value)


def test_a_login_does_not_show_its_password() -> None:
    assert "secret" not in repr(credentials.from_password("docker.io", "me", "secret"))
