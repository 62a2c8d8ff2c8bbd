"""What is at the bottom of an exception that libraries have wrapped several times."""

from __future__ import annotations


def innermost(error: BaseException) -> BaseException:
    """Return the exception that all the others were raised for."""
    known = [error]
    while (below := _below(known[-1])) is not None and not any(below is one for one in known):
        known.append(below)
    return known[-1]


def of_the_system(error: BaseException) -> str:
    """Return what the kernel, the resolver or the certificate check said, empty when it was none of them."""
    inner = innermost(error)
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return "it does not answer in time" if isinstance(inner, TimeoutError) else ""


def _below(error: BaseException) -> BaseException | None:
    """Return the next one; urllib3 keeps it in `reason`, others among the arguments or as Python does."""
    inside = (part for part in (getattr(error, "reason", None), *error.args) if isinstance(part, BaseException))
    return next(inside, error.__cause__ or error.__context__)
