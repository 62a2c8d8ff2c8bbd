"""The expected errors of cloison, their exit codes, and the root cause of a caught exception.

Each message begins with the object of the error, says what is wrong and where, and what to do.

    CloisonError            the base class, never raised itself
    ├── UsageError          the command line is invalid                         exit 2
    ├── FileError           the Compose file is missing or invalid              exit 2
    ├── PolicyError         the policy is invalid or does not fit the project   exit 2
    ├── PublishError        an image was not pushed to its registry             exit 1
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


class CloisonError(Exception):
    """An expected failure; its text is shown to the user of the command."""

    exit_code: ClassVar[int]

    def __init__(self, sentence: str) -> None:
        # A quoted part of a file may contain newlines or terminal control sequences.
        super().__init__("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in sentence))


class UsageError(CloisonError):
    """The command line is invalid, or asks for something that is impossible."""

    exit_code = USAGE_ERROR


class FileError(CloisonError):
    """The Compose file is missing, or Compose cannot resolve it."""

    exit_code = USAGE_ERROR


class PolicyError(CloisonError):
    """The policy is invalid, or names something that the project does not have."""

    exit_code = USAGE_ERROR


class PublishError(CloisonError):
    """An image was not pushed, or the registry has a different image."""

    exit_code = BREACHED


class NotProven(CloisonError):  # noqa: N818  # named like the verdict
    """No proof is possible: the project does not run, or it cannot be probed."""

    exit_code = UNPROVEN


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
