"""The image of the scout: made once for each version of the program, found again afterwards, gone after the next."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from cloison.engine.connection import FAILURES
from cloison.engine.labels import AGENT_LABEL
from cloison.errors import NotProven
from cloison.remote import image_context
from cloison.remote.image_context import Interpreter

REPOSITORY: Final = "cloison/agent"
BASE_IMAGE_VARIABLE: Final = "CLOISON_PYTHON_IMAGE"
"""The variable that names the Python to build on; the stack's own image is built on the same."""
FALLBACK_BASE: Final = "cloison/airgap-python:3.11"
"""What images/build.sh makes from Debian packages where no registry is in reach."""
BUILD_TIMEOUT: Final = 300
"""Seconds for the engine to be silent while it builds or pulls."""
DIGEST_LENGTH: Final = 12
UNTAGGED: Final = "<none>"
KEEP_SECONDS: Final = 24 * 60 * 60
"""Seconds that another version's image stays: whoever shares the engine with that version builds once a day at most."""
BASE_LABEL: Final = "io.cloison.agent.base"
"""The label of every image of a scout."""


def image(api: docker.APIClient, progress: Callable[[str], None]) -> str:
    """Return the reference of the scout's image, which is built where the engine does not have it.

    Raises NotProven when it cannot be built.
    """
    requested_base = os.environ.get(BASE_IMAGE_VARIABLE, "")
    digest = image_context.digest()[:DIGEST_LENGTH]
    tag = f"{REPOSITORY}:{version(image_context.PROGRAM)}-{digest}{_suffix(requested_base)}"
    previous_timeout, api.timeout = api.timeout, BUILD_TIMEOUT
    try:
        if not _image_exists(api, tag):
            progress("building the image of the scout, once for this version")
            _build(api, _base(api, requested_base, progress), tag)
            _remove_old_images(api)
    except FAILURES as error:
        raise NotProven(f"the image of the scout could not be built: {error}") from error
    finally:
        api.timeout = previous_timeout
    return tag


def _remove_old_images(api: docker.APIClient) -> None:
    """Remove what other versions have left, but not what a container uses or somebody gave a name of his own."""
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
    """Return what tells images on different Pythons apart."""
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
    """Return the Python image to build on: the one that is wished for, or one that is there, or the registry's.

    The registry's has the version of the Python that runs here, so that our own packages fit.
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
        f"the scout is built on {base}, which the engine cannot get: {' '.join(why.split())}; "
        f"name an image with Python that it has in {BASE_IMAGE_VARIABLE}"
    )


def _build(api: docker.APIClient, base: str, tag: str) -> None:
    target = _interpreter(api, base)
    if target == image_context.running_interpreter():
        try:
            _build_on(api, base, tag, image_context.from_installed())
        except NotProven:  # a distribution's own packages: without a list, or made for a newer C library
            pass
        else:
            return
    _build_on(api, base, tag, image_context.from_index(target))


def _interpreter(api: docker.APIClient, base: str) -> Interpreter:
    """Ask the Python of an image what it is.

    Raises NotProven when it has none.
    """
    config = api.create_host_config(network_mode="none", cap_drop=["ALL"], read_only=True)
    words = ["python", "-c", image_context.VERSION_SCRIPT]
    container = api.create_container(
        base, entrypoint=words, command=[], labels={AGENT_LABEL: "asking"}, host_config=config
    )
    try:
        api.start(container)
        api.wait(container)
        version, _, interface = api.logs(container, stderr=False).decode().strip().partition(" ")
    except DockerException as error:
        raise NotProven(f"{base} has no python to build the scout on: {error}") from error
    finally:
        api.remove_container(container, force=True)
    if not interface.startswith("cpython-"):
        raise NotProven(f"{base} has no CPython to build the scout on; name another image in {BASE_IMAGE_VARIABLE}")
    return Interpreter(version, interface)


def _build_on(api: docker.APIClient, base: str, tag: str, context: bytes) -> None:
    output: list[str] = []
    for event in _events(api, base, tag, context):
        if "error" in event:
            raise NotProven(
                f"the image of the scout could not be built: {' '.join([*output[-3:], str(event['error'])])}"
            )
        output += str(event.get("stream", "")).split("\n")
    if not _image_exists(api, tag):
        raise NotProven("the engine ended the build of the scout's image without an image")


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
