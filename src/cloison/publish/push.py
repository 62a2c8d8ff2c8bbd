"""Pushes an image from the engine to a registry and verifies its digest.

Input: a local image, a `Reference` and a `Login`. Output: the digest.
Rule: an image counts as published only when the registry, in a second request, reports the digest that was pushed and
delivers bytes with that digest. The API: https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, NotFound, NullResource, StreamParseError

from cloison.errors import NotProven, PublishError, UsageError
from cloison.model.text import printable_line
from cloison.publish.credentials import Login
from cloison.publish.error_advice import error_advice
from cloison.publish.image_reference import Reference

ENGINE_TIMEOUT: Final = 300
"""Seconds between two messages of the engine: it sends none while a registry assembles a large layer."""
ENGINE_ERRORS: Final = (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, StreamParseError)
BAD_REQUEST: Final = 400
DIGEST_STATUS: Final = re.compile(r"\S+: digest: (?P<digest>[a-z0-9]+:[0-9a-f]{64}) size: \d+")
"""The status line with the digest of an engine with containerd's image store; other engines send it in `aux` as well
(https://github.com/moby/moby/issues/48331)."""
Event = Mapping[str, Any]


class ProgressListener(Protocol):
    """Receives the progress of a push."""

    def message(self, sentence: str) -> None:
        """Show a sentence."""
        ...

    def advance(self, done: int, total: int) -> None:
        """Show the bytes that are done, and the total as far as it is known."""
        ...


class Images:
    """The images of one engine."""

    def __init__(self, api: docker.APIClient) -> None:
        self._api: Any = api

    def image_id(self, name: str) -> str:
        """Return the id of a local image.

        Raises UsageError when there is no such image, NotProven when the engine does not answer.
        """
        try:
            found = self._inspect_image(name)
        except ENGINE_ERRORS as error:
            if isinstance(error, NullResource) or getattr(error, "status_code", 0) == BAD_REQUEST:
                raise UsageError(f'"{name}" is not the name of an image: {_error_text(error)}') from error
            raise NotProven(f"the Docker engine stopped answering: {_error_text(error)}") from error
        if not found:
            raise UsageError(f'there is no local image "{name}"; build it first, or see `docker images` for the name')
        return str(found["Id"])

    @contextmanager
    def tagged(self, image_id: str, target: Reference, listener: ProgressListener) -> Iterator[None]:
        """Tag the image with the target's name during the block; restore the former tag when the block fails.

        Raises PublishError when the engine cannot tag the image.
        """
        try:
            previously_tagged, before = self._inspect_image(str(target)), self._inspect_image(image_id)
        except ENGINE_ERRORS as error:
            raise NotProven(f"the Docker engine stopped answering: {_error_text(error)}") from error
        try:
            self._tag(image_id, target)
            yield
        except BaseException:
            with suppress(*ENGINE_ERRORS, PublishError):  # the first error is the one to report
                self._undo(target, previously_tagged, before, listener)
            raise

    def _tag(self, image_id: str, target: Reference) -> None:
        try:
            self._api.tag(image_id, target.repository, target.tag)
        except ENGINE_ERRORS as error:
            raise PublishError(f"the engine cannot tag the image as {target}: {_error_text(error)}") from error

    def _undo(self, target: Reference, previously_tagged: Event, before: Event, listener: ProgressListener) -> None:
        now = self._inspect_image(before["Id"])
        for digest in set(now.get("RepoDigests", ())) - set(before["RepoDigests"]):
            self._api.remove_image(digest, noprune=True)
        if previously_tagged:
            self._tag(previously_tagged["Id"], target)
        elif before["RepoTags"]:
            self._api.remove_image(str(target), noprune=True)
        else:  # removing the last name would remove the image
            listener.message(f"{target} stays as a local name: the image has no other")

    def _inspect_image(self, name: str) -> Event:
        """Return the image's description, or an empty one."""
        try:
            found: Event = self._api.inspect_image(name)
        except NotFound:
            return {}
        return {**found, "RepoTags": found.get("RepoTags") or (), "RepoDigests": found.get("RepoDigests") or ()}

    def push(self, target: Reference, login: Login, listener: ProgressListener) -> str:
        """Push the image of this name and return the digest that the engine reports.

        Raises PublishError when the registry does not accept it.
        """
        digest, is_retrying, layers = "", False, dict[str, tuple[int, int]]()
        for event in _events(self._api.push, target, target.tag, login):
            digest = _digest(event) or digest
            if not is_retrying and str(event.get("status")).startswith("Retrying"):
                is_retrying = True
                listener.message(
                    f"{target.host} does not respond as expected; the engine tries again for up to a minute"
                )
            layers.update(_layer_progress(event))
            listener.advance(sum(done for done, _ in layers.values()), sum(total for _, total in layers.values()))
        if not digest:
            raise PublishError(f"{target}: the push finished but the engine reported no digest; see the engine's log")
        return digest

    def verify_pushed(self, target: Reference, login: Login, digest: str) -> None:
        """Look up the tag in the registry, then pull the digest, whose bytes the engine checks.

        Raises PublishError when the registry reports another digest or stores other bytes than were pushed.
        """
        try:
            reported = self._api.inspect_distribution(str(target), auth_config=dict(login.auth_config))["Descriptor"][
                "digest"
            ]
        except ENGINE_ERRORS as error:
            raise PublishError(
                f"{target} was pushed but not found again: {_error_advice(error, target, login)}"
            ) from error
        if reported != digest:
            raise PublishError(
                f"{target}: {digest} was pushed, but {target.host} reports {printable_line(reported)}; "
                "another client moved the tag meanwhile, or the registry cannot be trusted"
            )
        for _ in _events(self._api.pull, target, digest, login):
            pass


def _events(call: Callable[..., Iterator[Event]], target: Reference, tag: str, login: Login) -> Iterator[Event]:
    """Yield the engine's messages about a push or a pull; an error message becomes a PublishError."""
    try:
        for event in call(target.repository, tag=tag, stream=True, decode=True, auth_config=dict(login.auth_config)):
            if "error" in event:
                raise PublishError(f"{target} is not published: {error_advice(str(event['error']), target, login)}")
            yield event
    except ENGINE_ERRORS as error:
        raise PublishError(f"{target} is not published: {_error_advice(error, target, login)}") from error


def _digest(event: Event) -> str:
    reported = (event.get("aux") or {}).get("Digest")
    match = DIGEST_STATUS.fullmatch(str(event.get("status")))
    return str(reported or (match and match["digest"]) or "")


def _layer_progress(event: Event) -> dict[str, tuple[int, int]]:
    detail = event.get("progressDetail") or {}
    total = detail.get("total", 0)
    return {event["id"]: (min(detail.get("current", 0), total), total)} if total and "id" in event else {}


def _error_advice(error: Exception, target: Reference, login: Login) -> str:
    return error_advice(_error_text(error), target, login)


def _error_text(error: Exception) -> str:
    return printable_line(str(error.explanation or error) if isinstance(error, APIError) else str(error))
