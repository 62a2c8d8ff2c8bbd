"""Protection against cross-site request forgery: a form must come from a page of this ledger.

Rules:
- Every request that changes data and is authenticated by a cookie carries a token bound to that cookie: its HMAC. A
  request with an Authorization header needs none, because another site cannot make a browser send one.
- The login form is bound to a cookie of its page, so that another site cannot log a user in to a foreign account.
- A request that the browser marks as cross-site (Sec-Fetch-Site, Origin) is refused with any token. `Origin: null` is
  no mark: the ledger's own pages send it, because their Referrer-Policy is no-referrer.

https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import hmac
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, request
from markupsafe import Markup

from ledger.accounts import cookies, secret_tokens
from ledger.accounts.cookies import Cookie
from ledger.authorization import TOKEN_ACCESS, required_access

FORM_FIELD: Final = "csrf"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
STALE_FORM: Final = (
    "This form is out of date, or it was not sent from a page of this ledger. Open the page again and repeat."
)


def init_app(app: Flask) -> None:
    """Check every form after authorization; to be called after `authorization.init_app`."""
    app.jinja_env.globals["form_token"] = form_token
    app.after_request(_send_visitor_cookie)

    @app.before_request
    def _check() -> None:
        if (
            request.method in SAFE_METHODS
            or request.endpoint is None
            or required_access(app, request.endpoint) in TOKEN_ACCESS
        ):
            return
        if is_cross_site() or not hmac.compare_digest(request.form.get(FORM_FIELD, "").encode(), token().encode()):
            abort(403, STALE_FORM)


def form_token() -> Markup:
    """Return the hidden field for a form."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_FIELD, token())


def token() -> str:
    """Return the token for the forms of this browser."""
    bound_to = cookies.received(Cookie.SESSION) if g.get("session") else _visitor()
    return hmac.digest(bound_to.encode(), b"form", "sha256").hex()


def _visitor() -> str:
    if "visitor" not in g:
        g.visitor = cookies.received(Cookie.VISITOR) or secret_tokens.new()
    visitor: str = g.visitor
    return visitor


def _send_visitor_cookie(response: Response) -> Response:
    if g.get("visitor") and g.visitor != cookies.received(Cookie.VISITOR):
        cookies.send(response, Cookie.VISITOR, g.visitor)
    return response


def is_cross_site() -> bool:
    """Return whether the browser says that a page of another site caused this request."""
    site, origin = request.headers.get("Sec-Fetch-Site", "none"), request.headers.get("Origin", "null")
    return site not in {"same-origin", "none"} or (origin != "null" and urlsplit(origin).netloc != request.host)
