"""Makes the idle image of a rehearsal, and removes the containers, networks and images with the rehearsal's label.

Input: an Engine API client, and the name of a rehearsal. Output: references and facts of the engine's resources.
Rule: containers are removed first, then networks, then images; only resources with the label are touched. Any resource
may have the label, and images pass theirs on: what a killed rehearsal left has its name and its image too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import docker
from docker.errors import APIError

from cloison.engine.connection import FAILURES
from cloison.engine.labels import REHEARSAL_LABEL
from cloison.errors import NotProven
from cloison.model.facts import NetworkFacts
from cloison.rehearse import idle_image

REPOSITORY: Final = "localhost/cloison/idle-"
"""The rehearsal's suffix is appended, not a tag, as Podman 4.3 ignores the tag of an import; no engine pulls from
`localhost`."""
UNTAGGED: Final = "<none>"
TRIES: Final = 20
RETRY_INTERVAL: Final = 0.25
"""Seconds between two tries to remove: an engine may still be finishing an interrupted request."""
WORKERS: Final = 8
Removal = Callable[[], object]


class RehearsalResources:
    """The resources of rehearsals on an engine; the caller closes the client."""

    def __init__(self, api: docker.APIClient) -> None:
        self._api = api

    def networks(self) -> tuple[list[NetworkFacts], list[str]]:
        """Return the engine's networks, and all of their subnets, IPv4 and IPv6.

        Raises NotProven if the engine does not answer.
        """
        try:
            listed = self._api.networks()
        except FAILURES as error:
            raise NotProven(f"the Docker engine stopped answering: {error}") from error
        pools = [pool for item in listed for pool in (item.get("IPAM") or {}).get("Config") or ()]
        return [_network(item) for item in listed], [pool["Subnet"] for pool in pools if pool.get("Subnet")]

    def build_image(self, name: str) -> str:
        """Make the idle image of the rehearsal `name` and return its reference.

        Raises NotProven if the engine does not answer, or runs on a processor without an idle program.
        """
        reference = REPOSITORY + name[-SUFFIX_LENGTH:]
        try:
            kind = str(self._api.version().get("Arch"))
            if kind not in idle_image.PROCESSORS:
                raise NotProven(f"there is no idle program for {kind} yet, only for {', '.join(idle_image.PROCESSORS)}")
            changes = [f'ENTRYPOINT ["/{idle_image.BINARY_NAME}"]', f"LABEL {REHEARSAL_LABEL}={name}"]
            self._api.import_image_from_data(
                idle_image.layer(idle_image.PROCESSORS[kind]), repository=reference, changes=changes
            )
        except FAILURES as error:
            raise NotProven(f"the idle image could not be made: {error}") from error
        return reference

    def rehearsals(self) -> set[str]:
        """Return the names of the rehearsals of which the engine has a container, network or image."""
        filters = {"label": REHEARSAL_LABEL}
        found = (self._api.containers(all=True, filters=filters), self._api.networks(filters=filters))
        images = self._api.images(filters=filters)
        return {(item.get("Labels") or {}).get(REHEARSAL_LABEL, "") for items in (*found, images) for item in items}

    def remove_leftover(self, name: str) -> None:
        """Remove what a killed rehearsal `name` has left: see `remove`."""
        self.remove(name, is_own=lambda item: is_of_rehearsal(item, name))

    def remove(self, name: str, is_own: Callable[[Mapping[str, Any]], bool] = lambda _: True) -> None:
        """Remove everything of the rehearsal `name` that `is_own`.

        Raises NotProven if a resource cannot be removed.
        """
        try:
            for _ in range(TRIES):
                if not (step := self._next(name, is_own)):
                    return
                with ThreadPoolExecutor(WORKERS) as pool:
                    removed = list(pool.map(_is_removed, step))
                time.sleep(0 if all(removed) else RETRY_INTERVAL)
        except FAILURES as error:
            raise NotProven(f"the rehearsal could not be removed: {error}; {_manual_hint(name)}") from error
        raise NotProven(f"the rehearsal could not be removed; {_manual_hint(name)}")

    def _next(self, name: str, is_own: Callable[[Mapping[str, Any]], bool]) -> list[Removal]:
        """Return the removals of the next step: the containers, else the networks, else the images.

        A network is removed after its containers. Podman 4.3.1 removes a network while one of its containers still
        exists (such as a namespace owner with sharers), and then never removes the bridge.
        """
        return next((step for step in self._steps({"label": f"{REHEARSAL_LABEL}={name}"}, is_own) if step), [])

    def _steps(self, wanted: Mapping[str, str], is_own: Callable[[Mapping[str, Any]], bool]) -> Iterator[list[Removal]]:
        api = self._api
        yield [
            _removal(api.remove_container, item, force=True, v=True)
            for item in filter(is_own, api.containers(all=True, filters=wanted))
        ]
        yield [_removal(api.remove_network, item) for item in filter(is_own, api.networks(filters=wanted))]
        yield [_removal(api.remove_image, item, force=True) for item in filter(is_own, api.images(filters=wanted))]


SUFFIX_LENGTH: Final = 6
"""The length of the random suffix of a rehearsal's name."""


def is_of_rehearsal(item: Mapping[str, Any], name: str) -> bool:
    """Whether a listed container, network or image with the label was made by the rehearsal `name`.

    A container has the image of this rehearsal and the name that Compose gives it, a network the name, and an image no
    other name than the one of this rehearsal.
    """
    image = REPOSITORY + name[-SUFFIX_LENGTH:]
    if "Names" in item:
        is_named = all(text.lstrip("/").startswith(f"{name}-") for text in item["Names"] or ())
        return is_named and str(item.get("Image", "")).partition(":")[0] == image
    if "Name" in item:
        return str(item["Name"]).startswith(f"{name}_")
    return all(text.partition(":")[0] in (image, UNTAGGED) for text in item.get("RepoTags") or ())


def _removal(remove: Callable[..., object], item: Mapping[str, Any], **how: bool) -> Removal:
    return lambda: remove(item["Id"], **how)


def _is_removed(removal: Removal) -> bool:
    """Run a removal; return whether it succeeded."""
    try:
        removal()
    except APIError:  # the resource does not exist any more, or another one uses it
        return False
    return True


def _manual_hint(name: str) -> str:
    return f"see `docker ps -a --filter label={REHEARSAL_LABEL}={name}`"


def _network(document: Mapping[str, Any]) -> NetworkFacts:
    return NetworkFacts(
        name=document["Name"],
        driver=document.get("Driver", ""),
        internal=bool(document.get("Internal")),
        options=tuple(sorted((document.get("Options") or {}).items())),
    )
