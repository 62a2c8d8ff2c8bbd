"""The part of a page that depends on the user: the name and the logout form."""

from collections.abc import Hashable

from flask import g

from ledger.accounts import csrf


def frame_key() -> Hashable:
    """Return the user and session of this request as part of a cache key, so that no page is reused for another."""
    user = g.get("principal")
    return user and (user.name, user.is_administrator, csrf.token())
