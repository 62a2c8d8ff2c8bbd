"""`cloison publish`: tags and pushes a built image, and prints its digest."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from cloison.commands import options
from cloison.engine.compose_cli import Selection
from cloison.errors import FileError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from cloison.publish.credentials import Login
    from cloison.publish.image_reference import Reference
    from cloison.publish.push import ProgressListener


@click.command()
@click.argument("image", metavar="IMAGE[:TAG]")
@click.option(
    "--from", "source", metavar="LOCAL_IMAGE", help="Image to publish.  [default: the image that the project builds]"
)
@click.option("-u", "--username", metavar="NAME", help="User to log in as.  [default: the login of `docker login`]")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@options.selection
def command(
    selection: Selection,
    image: str,
    source: str | None,
    username: str | None,
    password_stdin: bool,  # noqa: FBT001  # click passes by name
) -> None:
    """Tag and push a built image, and read its digest back.

    IMAGE is `me/ledger` on Docker Hub, or `registry.example:5000/team/ledger` on any other registry;
    TAG is `latest` unless it is given. Prints the name by digest, which always names the same image.
    """
    from cloison.commands import operating_system

    operating_system.check("publish")
    from cloison.engine.connection import engine_connection
    from cloison.publish.image_reference import parse_reference
    from cloison.publish.push import ENGINE_TIMEOUT, Images

    target = parse_reference(image)
    login = _login(target, username, password_stdin=password_stdin)
    source = _project_image(selection) if source is None else source
    with engine_connection(ENGINE_TIMEOUT) as engine, _progress_listener() as listener:
        images = Images(engine.api)
        image_id = images.image_id(source)
        listener.message(f"publishing {source} as {target}")
        with images.tagged(image_id, target, listener):
            digest = images.push(target, login, listener)
            images.verify_pushed(target, login, digest)
    click.echo(target.with_digest(digest))


def _login(target: Reference, user: str | None, *, password_stdin: bool) -> Login:
    from cloison.publish import credentials

    if password_stdin != (user is not None):
        raise UsageError(
            "--username and --password-stdin go together: a password in an argument would be visible to every process"
        )
    if user is None:
        return credentials.from_configuration(target.host)
    credentials.configuration()  # the library reads it in any case, with a less clear error
    return credentials.from_password(target.host, user, _password())


def _password() -> str:
    if sys.stdin.isatty():
        raise UsageError(
            "--password-stdin reads a pipe or a file, not a terminal: `cloison publish … --password-stdin < FILE`"
        )
    try:
        password = sys.stdin.buffer.read().decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UsageError("the password on standard input is not UTF-8; is it the right file?") from error
    if not password:
        raise UsageError("standard input is empty; --password-stdin reads the password from there")
    return password


def _project_image(selection: Selection) -> str:
    """Return the one image that the project builds."""
    from cloison.engine import compose_cli

    try:
        document = compose_cli.resolved(selection, strict=True)
    except FileError as error:
        raise UsageError(f"{error}; without a Compose project, name the image: --from LOCAL_IMAGE") from error
    return built_image(document)


def built_image(document: Mapping[str, Any]) -> str:
    """Return the one image that a resolved Compose file builds.

    Raises UsageError when it builds none or several.
    """
    images: dict[str, list[str]] = defaultdict(list)
    for name, service in (document.get("services") or {}).items():
        if service.get("build"):
            images[service.get("image") or f"{document['name']}-{name}"].append(name)
    if len(images) == 1:
        return next(iter(images))
    if not images:
        raise UsageError("no service of the Compose file has a `build:`; name the image: --from LOCAL_IMAGE")
    listed = ", ".join(f"{image} ({', '.join(names)})" for image, names in sorted(images.items()))
    raise UsageError(f"the project builds several images, so name one with --from: {listed}")


class _LineProgress:
    """Tells it line by line."""

    def message(self, sentence: str) -> None:
        click.echo(sentence, err=True)

    def advance(self, done: int, total: int) -> None:
        """Lines know no progress."""


class _BarProgress:
    """Tells it above a bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("pushing", total=None)

    def message(self, sentence: str) -> None:
        self._progress.console.print(sentence, markup=False, highlight=False)

    def advance(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total or None)


@contextmanager
def _progress_listener() -> Iterator[ProgressListener]:
    """Yield a listener that shows progress: a bar where stderr is a terminal, else lines."""
    if not sys.stderr.isatty():
        yield _LineProgress()
        return
    from rich.console import Console  # the import takes 100 ms, and only a terminal needs it
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _BarProgress(progress)
