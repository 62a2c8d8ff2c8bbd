"""What can go wrong before there is a verdict; every sentence says what, where and what to do.

    CloisonError            never raised itself
    ├── UsageError          the command line asks for something impossible      exit 2
    ├── FileError           the Compose file cannot be resolved                 exit 2
    ├── PolicyError         `x-cloison` says something the project does not have exit 2
    ├── PublishError        an image did not reach its registry                 exit 1
    └── NotProven           nothing could be looked at, so nothing is proven    exit 3

Rule: a probe that cannot run is a cell of the matrix (`unknown`), never one of these.
"""

from __future__ import annotations

from typing import ClassVar, Final

PROVEN: Final = 0
BREACHED: Final = 1
USAGE_ERROR: Final = 2
UNPROVEN: Final = 3
INTERRUPTED: Final = 130


class CloisonError(Exception):
    """An expected failure: its text is for the person who ran the command."""

    exit_code: ClassVar[int]

    def __init__(self, sentence: str) -> None:
        # What a file is quoted with may hold a newline, or a code that a terminal obeys.
        super().__init__("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in sentence))


class UsageError(CloisonError):
    """The command line asks for something that cannot be done."""

    exit_code = USAGE_ERROR


class FileError(CloisonError):
    """The Compose file could not be found or resolved."""

    exit_code = USAGE_ERROR


class PolicyError(CloisonError):
    """The policy names something that the project does not have, or is not a policy."""

    exit_code = USAGE_ERROR


class PublishError(CloisonError):
    """An image was not pushed, or what the registry holds is not what was pushed."""

    exit_code = BREACHED


class NotProven(CloisonError):  # noqa: N818  # it is the verdict's own word
    """There is nothing to look at, or no way to look at it."""

    exit_code = UNPROVEN


def root_cause(error: BaseException) -> BaseException:
    """Return the exception that all the others were raised for."""
    known = [error]
    while (cause := _next_cause(known[-1])) is not None and not any(cause is one for one in known):
        known.append(cause)
    return known[-1]


def system_error_text(error: BaseException) -> str:
    """Return what the kernel, the resolver or the certificate check said, empty when it was none of them."""
    inner = root_cause(error)
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return "it does not answer in time" if isinstance(inner, TimeoutError) else ""


def _next_cause(error: BaseException) -> BaseException | None:
    """Return the next one; urllib3 keeps it in `reason`, others among the arguments or as Python does."""
    inside = (part for part in (getattr(error, "reason", None), *error.args) if isinstance(part, BaseException))
    return next(inside, error.__cause__ or error.__context__)
