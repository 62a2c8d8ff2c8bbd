"""Who the registry is told we are: a password of the command line's standard input, or Docker's own configuration.

Rule: a secret lives in `Login.words` and goes to the engine from there, nowhere else.
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
"""Today's configuration file; the one before it was no JSON."""
USERNAME_KEYS: Final = ("username", "Username")  # auths spell it one way, credential helpers the other


@dataclass(frozen=True, slots=True)
class Login:
    """A login at one registry; `words` is empty without one."""

    user: str = ""
    auth_config: Mapping[str, Any] = field(default_factory=dict, repr=False)


def from_password(host: str, user: str, password: str) -> Login:
    """Return the login that the person gave."""
    address = auth.INDEX_URL if host == DOCKER_HUB else host
    return Login(user, {"username": user, "password": password, "serveraddress": address})


def from_configuration(host: str) -> Login:
    """Return the login that Docker's configuration keeps for `host`, an empty one when it keeps none.

    Raises UsageError when the configuration, or the credential helper it names, is broken.
    """
    docker_config = configuration()
    helper = docker_config.get_credential_store(host)
    try:
        with warnings.catch_warnings(action="ignore"):  # a missing helper warns before it fails
            auth_config = docker_config.resolve_authconfig(host) or {}
    except (DockerException, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"docker-credential-{helper}, which Docker's configuration names for {host}, gave no login; "
            f"mend it, or give --username and --password-stdin"
        ) from error
    return Login(next((auth_config[key] for key in USERNAME_KEYS if auth_config.get(key)), ""), auth_config)


def configuration() -> auth.AuthConfig:
    """Return Docker's configuration as far as logins go.

    Raises UsageError when it cannot be read; the library alone would go on without a login.
    """
    path = Path(str(config.find_config_file() or os.devnull))
    try:
        if path.name == CONFIG_FILE_NAME:
            json.loads(path.read_text(encoding="utf-8")).get("auths")
        return auth.load_config()
    except (DockerException, OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"{path} is no configuration of Docker's; mend it, or remove it and log in anew") from error
