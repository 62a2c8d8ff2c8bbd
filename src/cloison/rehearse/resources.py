"""Makes the idle image of a rehearsal, and takes away everything that carries the rehearsal's label."""

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
"""The rehearsal's own word follows: Podman 4.3 ignores the tag of an import. Nobody looks for `localhost` far away."""
TRIES: Final = 20
RETRY_INTERVAL: Final = 0.25
"""Seconds between two tries to remove: an engine that was interrupted may still be finishing something."""
WORKERS: Final = 8
Removal = Callable[[], object]


class RehearsalResources:
    """A connection to the engine that builds and clears the stage; close the client yourself."""

    def __init__(self, api: docker.APIClient) -> None:
        self._api = api

    def networks(self) -> tuple[list[NetworkFacts], list[str]]:
        """Return the engine's networks, and every subnet of theirs in both families.

        Raises NotProven when the engine does not answer.
        """
        try:
            listed = self._api.networks()
        except FAILURES as error:
            raise NotProven(f"the Docker engine stopped answering: {error}") from error
        pools = [pool for item in listed for pool in (item.get("IPAM") or {}).get("Config") or ()]
        return [_network(item) for item in listed], [pool["Subnet"] for pool in pools if pool.get("Subnet")]

    def build_image(self, name: str) -> str:
        """Make the idle image of the rehearsal `name` and return its reference.

        Raises NotProven when the engine does not answer, or runs on a processor without an idle program.
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
        """Return the names of the rehearsals of which the engine still has something."""
        wanted = {"label": REHEARSAL_LABEL}
        found = (self._api.containers(all=True, filters=wanted), self._api.networks(filters=wanted))
        images = self._api.images(filters=wanted)
        return {(item.get("Labels") or {}).get(REHEARSAL_LABEL, "") for items in (*found, images) for item in items}

    def remove(self, name: str) -> None:
        """Remove everything of the rehearsal `name`.

        Raises NotProven when something cannot be removed.
        """
        try:
            for _ in range(TRIES):
                if not (step := self._next(name)):
                    return
                with ThreadPoolExecutor(WORKERS) as pool:
                    removed = list(pool.map(_is_removed, step))
                time.sleep(0 if all(removed) else RETRY_INTERVAL)
        except FAILURES as error:
            raise NotProven(f"the rehearsal could not be removed: {error}; {_manual_hint(name)}") from error
        raise NotProven(f"the rehearsal could not be removed; {_manual_hint(name)}")

    def _next(self, name: str) -> list[Removal]:
        """Return what is to be removed next.

        A network stays until its containers are gone: Podman lets it go from under one that it could not remove yet
        (the owner of a namespace in which others live), and then never takes the bridge away (4.3.1).
        """
        return next((step for step in self._steps({"label": f"{REHEARSAL_LABEL}={name}"}) if step), [])

    def _steps(self, wanted: Mapping[str, str]) -> Iterator[list[Removal]]:
        api = self._api
        yield [
            _removal(api.remove_container, item, force=True, v=True)
            for item in api.containers(all=True, filters=wanted)
        ]
        yield [_removal(api.remove_network, item) for item in api.networks(filters=wanted)]
        yield [_removal(api.remove_image, item, force=True) for item in api.images(filters=wanted)]


SUFFIX_LENGTH: Final = 6
"""How many letters at the end of a rehearsal's name tell it from others."""


def _removal(remove: Callable[..., object], item: Mapping[str, Any], **how: bool) -> Removal:
    return lambda: remove(item["Id"], **how)


def _is_removed(removal: Removal) -> bool:
    """Whether it went."""
    try:
        removal()
    except APIError:  # it went by itself, or waits for something that goes first
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
