"""Accounts: users, tokens, sessions, their rights, and the audit log."""

from flask import Flask, g

from ledger.accounts import admin, admin_tokens, admin_users, forms, login_views, transport
from ledger.accounts.passwords import Passwords


def init_app(app: Flask) -> None:
    """Register the pages and the password hasher; `ledger.authorization` decides about access."""
    app.extensions["passwords"] = app.config.get("PASSWORDS") or Passwords()
    for bp in (login_views.bp, admin.bp, admin_users.bp, admin_tokens.bp):
        app.register_blueprint(bp)
    app.context_processor(_user_context)
    app.jinja_env.globals.update(is_in_clear=transport.is_in_clear, https_command=transport.https_command)
    forms.init_app(app)


def _user_context() -> dict[str, object]:
    """Return `user` for the templates: the logged-in user, or None."""
    principal = g.get("principal")
    return {"user": principal if principal is not None and principal.is_user else None}
