"""People, tokens, what they may do, and what they did."""

from flask import Flask, g

from ledger.accounts import admin, admin_tokens, admin_users, forms, login_views
from ledger.accounts.passwords import Passwords


def init_app(app: Flask) -> None:
    """Register the pages and who checks passwords; who may see a page is the gate's business."""
    app.extensions["passwords"] = app.config.get("PASSWORDS") or Passwords()
    for bp in (login_views.bp, admin.bp, admin_users.bp, admin_tokens.bp):
        app.register_blueprint(bp)
    app.context_processor(_person)
    forms.init_app(app)


def _person() -> dict[str, object]:
    """Return `person` for the templates: who has logged in, or None."""
    who = g.get("principal")
    return {"person": who if who is not None and who.is_person else None}
