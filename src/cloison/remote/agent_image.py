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
from cloison.errors import NotProven
from cloison.remote import image_context
from cloison.remote.image_context import Interpreter
from cloison.remote.protocol import LABEL

REPOSITORY: Final = "cloison/scout"
BASE: Final = "CLOISON_PYTHON_IMAGE"
"""The variable that names the Python to build on; the stack's own image is built on the same."""
STAND_IN: Final = "cloison/airgap-python:3.11"
"""What images/build makes from Debian packages where no registry is in reach."""
BUILDING: Final = 300
"""Seconds for the engine to be silent while it builds or pulls."""
DIGITS: Final = 12
NAMELESS: Final = "<none>"
KEPT: Final = 24 * 60 * 60
"""Seconds that another version's image stays: whoever shares the engine with that version builds once a day at most."""
BUILT_ON: Final = "io.cloison.scout.base"
"""The label of every image of a scout."""


def image(api: docker.APIClient, talk: Callable[[str], None]) -> str:
    """Return the reference of the scout's image, which is built where the engine does not have it.

    Raises NotProven when it cannot be built.
    """
    wish = os.environ.get(BASE, "")
    tag = f"{REPOSITORY}:{version(image_context.PROGRAM)}-{image_context.digest()[:DIGITS]}{_suffix(wish)}"
    patience, api.timeout = api.timeout, BUILDING
    try:
        if not _has(api, tag):
            talk("building the image of the scout, once for this version")
            _build(api, _base(api, wish, talk), tag)
            _forget_earlier(api)
    except FAILURES as error:
        raise NotProven(f"the image of the scout could not be built: {error}") from error
    finally:
        api.timeout = patience
    return tag


def _forget_earlier(api: docker.APIClient) -> None:
    """Remove what other versions have left, but not what a container uses or somebody gave a name of his own."""
    for image in api.images(filters={"label": BUILT_ON}):
        names = [name for name in image.get("RepoTags") or () if not name.startswith(NAMELESS)]
        if image["Created"] > time.time() - KEPT or not all(name.startswith(f"{REPOSITORY}:") for name in names):
            continue
        for name in names or [image["Id"]]:
            with suppress(APIError):  # the engine refuses where a container uses it
                api.remove_image(name)


def _suffix(wish: str) -> str:
    """Return what tells images on different Pythons apart."""
    return f"-{''.join(c if c.isalnum() else '-' for c in wish).strip('-')}"[:60].rstrip("-") if wish else ""


def _has(api: docker.APIClient, reference: str) -> bool:
    try:
        api.inspect_image(reference)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return False
    return True


def _base(api: docker.APIClient, wish: str, talk: Callable[[str], None]) -> str:
    """Return the Python image to build on: the one that is wished for, or one that is there, or the registry's.

    The registry's has the version of the Python that runs here, so that our own packages fit.
    """
    usual = f"python:{image_context.running().version}-slim"
    for base in (wish,) if wish else (usual, STAND_IN):
        if _has(api, base):
            return base
    base = wish or usual
    talk(f"pulling {base}")
    try:
        for event in api.pull(base, stream=True, decode=True):
            if "error" in event:
                raise NotProven(_no_base(base, str(event["error"])))
    except FAILURES as error:
        raise NotProven(_no_base(base, str(error))) from error
    return base


def _no_base(base: str, why: str) -> str:
    return (
        f"the scout is built on {base}, which the engine cannot get: {' '.join(why.split())}; "
        f"name an image with Python that it has in {BASE}"
    )


def _build(api: docker.APIClient, base: str, tag: str) -> None:
    target = _interpreter(api, base)
    if target == image_context.running():
        try:
            _make(api, base, tag, image_context.copied())
        except NotProven:  # a distribution's own packages: without a list, or made for a newer C library
            pass
        else:
            return
    _make(api, base, tag, image_context.fetched(target))


def _interpreter(api: docker.APIClient, base: str) -> Interpreter:
    """Ask the Python of an image what it is.

    Raises NotProven when it has none.
    """
    config = api.create_host_config(network_mode="none", cap_drop=["ALL"], read_only=True)
    words = ["python", "-c", image_context.ASK]
    asked = api.create_container(base, entrypoint=words, command=[], labels={LABEL: "asking"}, host_config=config)
    try:
        api.start(asked)
        api.wait(asked)
        version, _, interface = api.logs(asked, stderr=False).decode().strip().partition(" ")
    except DockerException as error:
        raise NotProven(f"{base} has no python to build the scout on: {error}") from error
    finally:
        api.remove_container(asked, force=True)
    if not interface.startswith("cpython-"):
        raise NotProven(f"{base} has no CPython to build the scout on; name another image in {BASE}")
    return Interpreter(version, interface)


def _make(api: docker.APIClient, base: str, tag: str, context: bytes) -> None:
    said: list[str] = []
    for event in _events(api, base, tag, context):
        if "error" in event:
            raise NotProven(f"the image of the scout could not be built: {' '.join([*said[-3:], str(event['error'])])}")
        said += str(event.get("stream", "")).split("\n")
    if not _has(api, tag):
        raise NotProven("the engine ended the build of the scout's image without an image")


def _events(api: docker.APIClient, base: str, tag: str, context: bytes) -> Any:
    return api.build(
        fileobj=io.BytesIO(context),
        custom_context=True,
        tag=tag,
        buildargs={"PYTHON_IMAGE": base},
        labels={BUILT_ON: base},
        network_mode="none",
        rm=True,
        forcerm=True,
        decode=True,
    )
