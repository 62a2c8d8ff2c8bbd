"""The image of the agent: built once for each version of the program, and removed by a later version.

Input: a client of an engine. Output: the reference of an image that the engine has.
Rule: the tag has the digest of the program and its packages, so the same program finds its image again.
Source: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageBuild
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

REPOSITORY: Final = "cloison/scout"
BASE_IMAGE_VARIABLE: Final = "CLOISON_PYTHON_IMAGE"
"""The variable that names the base image; the stack's own image is built on the same one."""
FALLBACK_BASE: Final = "cloison/airgap-python:3.11"
"""The image that images/build.sh makes from Debian packages where no registry can be reached."""
BUILD_TIMEOUT: Final = 300
"""Seconds without output from the engine while it builds or pulls."""
DIGEST_LENGTH: Final = 12
UNTAGGED: Final = "<none>"
KEEP_SECONDS: Final = 24 * 60 * 60
"""Seconds that another version's image stays, so that two versions on one engine build once a day at most."""
BASE_LABEL: Final = "io.cloison.scout.base"
"""The label of every image of an agent."""


def image(api: docker.APIClient, progress: Callable[[str], None]) -> str:
    """Return the reference of the agent's image; build it where the engine does not have it.

    Raises NotProven when it cannot be built.
    """
    requested_base = os.environ.get(BASE_IMAGE_VARIABLE, "")
    digest = image_context.digest()[:DIGEST_LENGTH]
    tag = f"{REPOSITORY}:{version(image_context.PROGRAM)}-{digest}{_suffix(requested_base)}"
    previous_timeout, api.timeout = api.timeout, BUILD_TIMEOUT
    try:
        if not _image_exists(api, tag):
            progress("building the agent's image, once for this version")
            _build(api, _base(api, requested_base, progress), tag)
            _remove_old_images(api)
    except FAILURES as error:
        raise NotProven(f"the agent's image could not be built: {error}") from error
    finally:
        api.timeout = previous_timeout
    return tag


def _remove_old_images(api: docker.APIClient) -> None:
    """Remove the images of other versions, except those that a container uses or that have another name, too."""
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
    """Return the part of the tag that differs between base images."""
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
    """Return the base image: the requested one, else one that the engine has, else the registry's.

    The registry's has the version of the running Python, so that the installed packages fit.

    Raises NotProven when the engine cannot get it.
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
        f"the agent's image is built on {base}, which the engine cannot get: {' '.join(why.split())}; "
        f"name an image with Python that it has in {BASE_IMAGE_VARIABLE}"
    )


def _build(api: docker.APIClient, base: str, tag: str) -> None:
    target = _interpreter(api, base)
    if target == image_context.running_interpreter():
        try:
            _build_on(api, base, tag, image_context.from_installed())
        except NotProven:  # a distribution's packages: without a list of files, or made for a newer C library
            pass
        else:
            return
    _build_on(api, base, tag, image_context.from_index(target))


def _interpreter(api: docker.APIClient, base: str) -> Interpreter:
    """Return the Python of an image.

    Raises NotProven when it has none.
    """
    config = api.create_host_config(network_mode="none", cap_drop=["ALL"], read_only=True)
    words = ["python", "-c", image_context.VERSION_SCRIPT]
    token = f"python-{secrets.token_hex(8)}"
    container = api.create_container(
        base,
        name=AGENT_NAME + token,
        entrypoint=words,
        command=[],
        labels={AGENT_LABEL: token},
        host_config=config,
    )
    try:
        api.start(container)
        api.wait(container)
        version, _, interface = api.logs(container, stderr=False).decode().strip().partition(" ")
    except DockerException as error:
        raise NotProven(f"{base} has no python for the agent's image: {error}") from error
    finally:
        api.remove_container(container, force=True)
    if not interface.startswith("cpython-"):
        raise NotProven(f"{base} has no CPython for the agent's image; name another image in {BASE_IMAGE_VARIABLE}")
    return Interpreter(version, interface)


def _build_on(api: docker.APIClient, base: str, tag: str, context: bytes) -> None:
    output: list[str] = []
    for event in _events(api, base, tag, context):
        if "error" in event:
            raise NotProven(f"the agent's image could not be built: {' '.join([*output[-3:], str(event['error'])])}")
        output += str(event.get("stream", "")).split("\n")
    if not _image_exists(api, tag):
        raise NotProven("the engine ended the build of the agent's image without an image")


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
