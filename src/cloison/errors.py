"""The expected errors of cloison, their exit codes, and the root cause of a caught exception.

Each message begins with the object of the error, says what is wrong and where, and what to do.

    CloisonError            the base class, never raised itself
    ├── UsageError          the command line is invalid                         exit 2
    ├── FileError           the Compose file is missing or invalid              exit 2
    ├── PolicyError         the policy is invalid or does not fit the project   exit 2
    ├── PublishError        an image was not pushed to its registry             exit 1
    ├── OutputError         the output could not be written                     exit 3
    └── NotProven           no proof is possible                                exit 3

Rule: a probe that cannot run is not an error but a flow whose reach is `unknown`.
"""

from __future__ import annotations

from typing import ClassVar, Final

PROVEN: Final = 0
BREACHED: Final = 1
USAGE_ERROR: Final = 2
UNPROVEN: Final = 3
INTERRUPTED: Final = 130
DEBUG_VARIABLE: Final = "CLOISON_DEBUG"
"""The environment variable that `--debug` sets: tracebacks are wanted."""
ISSUES_PREFIX: Final = "Issues, "
"""The beginning of the metadata field Project-URL that names the issue tracker."""
LONGEST_TEXT: Final = 300
"""Characters of an unexpected error's text that are shown; `--debug` shows all of it."""


class CloisonError(Exception):
    """An expected failure; its text is shown to the user of the command."""

    exit_code: ClassVar[int]

    def __init__(self, sentence: str) -> None:
        # A quoted part of a file may contain newlines or terminal control sequences.
        super().__init__(printable(sentence))


class UsageError(CloisonError):
    """The command line is invalid, or asks for something that is impossible."""

    exit_code = USAGE_ERROR


class FileError(CloisonError):
    """The Compose file is missing, or Compose cannot resolve it."""

    exit_code = USAGE_ERROR


class PolicyError(CloisonError):
    """The policy is invalid, or names something that the project does not have."""

    exit_code = USAGE_ERROR


class UnknownServiceError(PolicyError):
    """The policy names a service that the resolved file does not have; `service` is its name, `where` the line."""

    def __init__(self, sentence: str, service: str, where: str) -> None:
        super().__init__(sentence)
        self.service = service
        self.where = where


class PublishError(CloisonError):
    """An image was not pushed, or the registry has a different image."""

    exit_code = BREACHED


class OutputError(CloisonError):
    """The output could not be written to stdout."""

    exit_code = UNPROVEN


class NotProven(CloisonError):  # noqa: N818  # named like the verdict
    """No proof is possible: the project does not run, or it cannot be probed."""

    exit_code = UNPROVEN


def printable(text: str) -> str:
    """Return a text with an escape sequence in place of each character that a terminal does not print."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def unexpected(error: BaseException, program: str = "cloison") -> str:
    """Return the sentence about an error that nobody expected: what it is, and where to report it."""
    text = printable(" ".join(str(error).split()))
    short = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
    return (
        f"{program} failed unexpectedly: {': '.join(filter(None, (type(error).__name__, short)))}. "
        f"Please report it at {_issue_tracker()} with the output of --debug"
    )


def _issue_tracker() -> str:
    """Return the address under "Issues" in the metadata of this package, or a phrase for it."""
    from importlib import metadata  # noqa: PLC0415  # slow, and hardly ever needed

    try:
        urls: list[str] = metadata.metadata("cloison").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        urls = []
    known = (url.removeprefix(ISSUES_PREFIX) for url in urls if url.startswith(ISSUES_PREFIX))
    return next(known, "the project's issue tracker")


def root_cause(error: BaseException) -> BaseException:
    """Return the first exception of a chain of causes."""
    known = [error]
    while (cause := _next_cause(known[-1])) is not None and not any(cause is one for one in known):
        known.append(cause)
    return known[-1]


def system_error_text(error: BaseException) -> str:
    """Return the message of the kernel, the resolver or the certificate check, empty when the cause is another."""
    inner = root_cause(error)
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return "no answer in time" if isinstance(inner, TimeoutError) else ""


def _next_cause(error: BaseException) -> BaseException | None:
    """Return the next cause: urllib3 stores it in `reason`, others among the arguments or in `__cause__`."""
    inside = (part for part in (getattr(error, "reason", None), *error.args) if isinstance(part, BaseException))
    return next(inside, error.__cause__ or error.__context__)
