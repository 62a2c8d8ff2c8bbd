"""The login for a registry: from a password on standard input, or from Docker's own configuration.

Output: a `Login`. Rule: a secret is in `Login.auth_config` only and goes from there to the engine, nowhere else.
Docker's configuration: https://docs.docker.com/reference/cli/docker/login/
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from docker import auth
from docker.errors import DockerException
from docker.utils import config

from cloison.errors import UsageError
from cloison.publish.image_reference import DOCKER_HUB

CONFIG_FILE_NAME: Final = Path(config.DOCKER_CONFIG_FILENAME).name
"""The name of the JSON configuration file; its predecessor, .dockercfg, may have another format."""
USERNAME_KEYS: Final = ("username", "Username")  # the spelling of `auths`, and that of credential helpers


@dataclass(frozen=True, slots=True)
class Login:
    """A login at one registry; `auth_config` is empty without one."""

    user: str = ""
    auth_config: Mapping[str, Any] = field(default_factory=dict, repr=False)


def from_password(host: str, user: str, password: str) -> Login:
    """Return the login with a user name and a password from the command line."""
    address = auth.INDEX_URL if host == DOCKER_HUB else host
    return Login(user, {"username": user, "password": password, "serveraddress": address})


def from_configuration(host: str) -> Login:
    """Return the login for `host` in Docker's configuration, or an empty one.

    Raises UsageError when the configuration, or the credential helper it names, is broken.
    """
    docker_config = configuration()
    helper = docker_config.get_credential_store(host)
    try:
        with warnings.catch_warnings(action="ignore"):  # a missing helper warns before it fails
            auth_config = docker_config.resolve_authconfig(host) or {}
    except (DockerException, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"docker-credential-{helper}, the credential helper for {host} in Docker's configuration, failed; "
            f"repair it, or use --username and --password-stdin"
        ) from error
    return Login(next((auth_config[key] for key in USERNAME_KEYS if auth_config.get(key)), ""), auth_config)


def configuration() -> auth.AuthConfig:
    """Return the logins in Docker's configuration.

    Raises UsageError when the file is broken; the library alone would go on without a login.
    """
    path = Path(str(config.find_config_file() or os.devnull))
    try:
        if path.name == CONFIG_FILE_NAME:
            json.loads(path.read_text(encoding="utf-8")).get("auths")
        return auth.load_config()
    except (DockerException, OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{path} is not a valid configuration of Docker; repair it, or remove it and log in again"
        ) from error
