"""Builds the image of the agent, once for each version of the program, and removes images of older versions.

Input: an Engine API client. Output: the reference of the image.
Rule: the tag is a digest of the program and its packages, so an existing image is never out of date. The build uses no
network; its context holds all files.
"""

from __future__ import annotations

import io
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from cloison.engine.connection import FAILURES
from cloison.engine.labels import AGENT_LABEL, AGENT_NAME
from cloison.errors import NotProven
from cloison.remote import image_context
from cloison.remote.image_context import Interpreter

REPOSITORY: Final = "localhost/cloison/agent"
BASE_IMAGE_VARIABLE: Final = "CLOISON_PYTHON_IMAGE"
"""The environment variable with the Python image to build on; the ledger's image uses the same variable."""
FALLBACK_BASE: Final = "localhost/cloison/airgap-python:3.11"
"""The image that images/build.sh makes from Debian packages if no registry can be reached."""
BUILD_TIMEOUT: Final = 300
"""Seconds to wait for the engine's next event while it builds or pulls."""
DIGEST_LENGTH: Final = 12
UNTAGGED: Final = "<none>"
KEEP_SECONDS: Final = 24 * 60 * 60
"""Seconds before another version's image is removed, so that two versions on one engine build once a day at most."""
VERSION_COMMAND: Final = ["python", "-c", image_context.VERSION_SCRIPT]
"""The program of the container that reads the version of an image's Python."""
BASE_LABEL: Final = "io.cloison.agent.base"
"""The label of every image of an agent."""


def image(api: docker.APIClient, progress: Callable[[str], None]) -> str:
    """Return the reference of the agent's image, which is built if the engine does not have it.

    Raises NotProven if it cannot be built.
    """
    requested_base = os.environ.get(BASE_IMAGE_VARIABLE, "")
    digest = image_context.digest()[:DIGEST_LENGTH]
    tag = f"{REPOSITORY}:{version(image_context.PROGRAM)}-{digest}{_suffix(requested_base)}"
    previous_timeout, api.timeout = api.timeout, BUILD_TIMEOUT
    try:
        if not _image_exists(api, tag):
            progress("building the image of the agent, once for this version")
            _build(api, _base(api, requested_base, progress), tag)
            _remove_old_images(api)
    except FAILURES as error:
        raise NotProven(f"the image of the agent could not be built: {error}") from error
    finally:
        api.timeout = previous_timeout
    return tag


def _remove_old_images(api: docker.APIClient) -> None:
    """Remove the images of other versions, except those that a container uses or that have another name too."""
    for image in api.images(filters={"label": BASE_LABEL}):
        names = [name for name in image.get("RepoTags") or () if not name.startswith(UNTAGGED)]
        if image["Created"] > time.time() - KEEP_SECONDS or not all(
            name.startswith(f"{REPOSITORY}:") for name in names
        ):
            continue
        for name in names or [image["Id"]]:
            with suppress(APIError):  # the engine refuses where a container uses it
                api.remove_image(name)


def _suffix(requested_base: str) -> str:
    """Return the suffix of the tag for a requested base image, empty for the default one."""
    return (
        f"-{''.join(c if c.isalnum() else '-' for c in requested_base).strip('-')}"[:60].rstrip("-")
        if requested_base
        else ""
    )


def _image_exists(api: docker.APIClient, reference: str) -> bool:
    try:
        api.inspect_image(reference)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return False
    return True


def _base(api: docker.APIClient, requested_base: str, progress: Callable[[str], None]) -> str:
    """Return the Python image to build on: the requested one, else an image that the engine has, else one to pull.

    The image to pull has the Python version that runs here, so that the installed packages fit.
    """
    default_base = f"python:{image_context.running_interpreter().version}-slim"
    for base in (requested_base,) if requested_base else (default_base, FALLBACK_BASE):
        if _image_exists(api, base):
            return base
    base = requested_base or default_base
    progress(f"pulling {base}")
    try:
        for event in api.pull(base, stream=True, decode=True):
            if "error" in event:
                raise NotProven(_missing_base(base, str(event["error"])))
    except FAILURES as error:
        raise NotProven(_missing_base(base, str(error))) from error
    return base


def _missing_base(base: str, why: str) -> str:
    return (
        f"the agent's base image {base} cannot be pulled: {' '.join(why.split())}; "
        f"set {BASE_IMAGE_VARIABLE} to an image with Python that the engine has"
    )


def _build(api: docker.APIClient, base: str, tag: str) -> None:
    target = _interpreter(api, base)
    if target == image_context.running_interpreter():
        try:
            _build_on(api, base, tag, image_context.from_installed())
        except NotProven:  # packages of a Linux distribution: without a RECORD, or built for a newer C library
            pass
        else:
            return
    _build_on(api, base, tag, image_context.from_index(target))


def _interpreter(api: docker.APIClient, base: str) -> Interpreter:
    """Run the Python of an image and return its version and ABI.

    Raises NotProven if the image has no CPython.
    """
    config = api.create_host_config(network_mode="none", cap_drop=["ALL"], read_only=True)
    token = f"python-{secrets.token_hex(8)}"
    container = api.create_container(
        base,
        name=AGENT_NAME + token,
        entrypoint=VERSION_COMMAND,
        command=[],
        labels={AGENT_LABEL: token},
        host_config=config,
    )
    try:
        api.start(container)
        api.wait(container)
        version, _, interface = api.logs(container, stderr=False).decode().strip().partition(" ")
    except DockerException as error:
        raise NotProven(f"the agent's base image {base} cannot run python: {error}") from error
    finally:
        api.remove_container(container, force=True)
    if not interface.startswith("cpython-"):
        raise NotProven(f"the agent's base image {base} has no CPython; set {BASE_IMAGE_VARIABLE} to another image")
    return Interpreter(version, interface)


def _build_on(api: docker.APIClient, base: str, tag: str, context: bytes) -> None:
    output: list[str] = []
    for event in _events(api, base, tag, context):
        if "error" in event:
            raise NotProven(
                f"the image of the agent could not be built: {' '.join([*output[-3:], str(event['error'])])}"
            )
        output += str(event.get("stream", "")).split("\n")
    if not _image_exists(api, tag):
        raise NotProven(
            "the build of the agent's image ended without an error and without an image; see the engine's log"
        )


def _events(api: docker.APIClient, base: str, tag: str, context: bytes) -> Any:
    return api.build(
        fileobj=io.BytesIO(context),
        custom_context=True,
        tag=tag,
        buildargs={"PYTHON_IMAGE": base},
        labels={BASE_LABEL: base},
        network_mode="none",
        rm=True,
        forcerm=True,
        decode=True,
    )
