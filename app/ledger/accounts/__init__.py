"""Accounts: users, tokens, sessions, their rights, and the audit log."""

from flask import Flask, current_app, g

from ledger.accounts import (
    account_views,
    admin,
    admin_removal,
    admin_tokens,
    admin_users,
    forms,
    login_views,
    oidc_views,
    second_factor_views,
    transport,
)
from ledger.accounts.authentication import CHANGE_PASSWORD, tell_expiry
from ledger.accounts.passwords import Passwords


def init_app(app: Flask) -> None:
    """Register the pages and the password hasher; `ledger.authorization` decides about access."""
    app.extensions["passwords"] = app.config.get("PASSWORDS") or Passwords()
    for bp in (
        login_views.bp,
        account_views.bp,
        second_factor_views.bp,
        oidc_views.bp,
        admin.bp,
        admin_users.bp,
        admin_tokens.bp,
        admin_removal.bp,
    ):
        app.register_blueprint(bp)
    app.after_request(tell_expiry)
    app.context_processor(_user_context)
    app.jinja_env.globals.update(is_in_clear=transport.is_in_clear, https_command=transport.https_command)
    forms.init_app(app)


def _user_context() -> dict[str, object]:
    """Return for the templates: the logged-in user or None, his obligation, and the settings of the OpenID provider."""
    principal = g.get("principal")
    user = principal if principal is not None and principal.is_user else None
    return {
        "user": user,
        "must_change_password": user is not None and user.setup is CHANGE_PASSWORD,
        "oidc": current_app.config["SETTINGS"].oidc,
    }
