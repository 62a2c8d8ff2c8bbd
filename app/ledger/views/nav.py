"""What the frame of every page shows: who looks at it, and the form in which he logs out."""

from collections.abc import Hashable

from flask import g

from ledger.accounts import csrf


def frame_key() -> Hashable:
    """Return what decides the frame: nobody is to be told that another's page is still his, nor his last session's."""
    person = g.get("principal")
    return person and (person.name, person.is_administrator, csrf.token())
