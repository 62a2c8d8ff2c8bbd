"""People, tokens, what they may do, and what they did."""

from flask import Flask, g

from ledger.accounts import admin, admin_tokens, admin_users, forms, login_views
from ledger.accounts.passwords import Passwords


def init_app(app: Flask) -> None:
    """Register the pages and who checks passwords; who may see a page is the business of authorization."""
    app.extensions["passwords"] = app.config.get("PASSWORDS") or Passwords()
    for bp in (login_views.bp, admin.bp, admin_users.bp, admin_tokens.bp):
        app.register_blueprint(bp)
    app.context_processor(_user_context)
    forms.init_app(app)


def _user_context() -> dict[str, object]:
    """Return `user` for the templates: who has logged in, or None."""
    who = g.get("principal")
    return {"user": who if who is not None and who.is_user else None}
