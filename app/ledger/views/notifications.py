"""The page of a project's notifications: its events, and for administrators the channels, the hours and the feed."""

from datetime import timedelta
from typing import Any, Final

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from ledger import clock as ledger_clock
from ledger.accounts import audit, projects
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import current_actor, engine
from ledger.accounts.errors import InputError
from ledger.accounts.forms import field, render_page, run_audited
from ledger.authorization import Access, requires
from ledger.database import transaction
from ledger.notifications import channels, deliveries, formats, record, watches
from ledger.views import http_cache
from ledger.views.queries import project_or_404

bp = Blueprint("notifications", __name__, url_prefix="/projects/<project>/notifications")

NOTIFIER_LATE: Final = timedelta(minutes=2)  # it says every two seconds that it runs


@bp.get("")
@requires(Access.READER)
def index(project: str) -> ResponseReturnValue:
    """Show the events of a project, and what is set for it."""
    return _index(project)


@bp.post("/channels")
@requires(Access.ADMINISTRATOR)
def add(project: str) -> ResponseReturnValue:
    """Add a channel, and show once the secret that was made for it."""
    name, now = field("name"), ledger_clock.now()

    def work(connection: Connection) -> str:
        number = projects.number(connection, project)
        return channels.add(
            connection, number, name, kind=field("format"), target=field("target"), secret=field("secret"), now=now
        )

    project_or_404(project)
    try:
        made = run_audited(AuditEvent.CHANNEL, f"{project}/{name}, {field('format')}", work)
    except InputError as refused:
        return _index(project, refused)
    if made:
        back = url_for("notifications.index", project=project)
        return render_page("new_secret.html", what=f"The secret of the channel {name}", secret=made, back=back)
    return _back(project)


@bp.post("/channels/<int:number>")
@requires(Access.ADMINISTRATOR)
def change(project: str, number: int) -> ResponseReturnValue:
    """Change the address or the secret of a channel."""

    def work(connection: Connection, owner: int) -> str:
        target, secret, now = field("target"), field("secret"), ledger_clock.now()
        return channels.change(connection, owner, number, target=target, secret=secret, now=now).name

    return _act(project, AuditEvent.CHANNEL_CHANGED, work)


@bp.post("/channels/<int:number>/remove")
@requires(Access.ADMINISTRATOR)
def remove(project: str, number: int) -> ResponseReturnValue:
    """Remove a channel, and what waits for it."""
    return _act(
        project, AuditEvent.CHANNEL_REMOVED, lambda connection, owner: channels.remove(connection, owner, number).name
    )


@bp.post("/channels/<int:number>/test")
@requires(Access.ADMINISTRATOR)
def send_test(project: str, number: int) -> ResponseReturnValue:
    """Send a test message to a channel."""

    def work(connection: Connection, owner: int) -> str:
        name = channels.by_id(connection, owner, number).name
        record.add_test(connection, owner, number, ledger_clock.now())
        return name

    return _act(project, AuditEvent.CHANNEL_TEST, work)


@bp.post("/overdue")
@requires(Access.ADMINISTRATOR)
def set_overdue(project: str) -> ResponseReturnValue:
    """Set after how many hours without a proof the project is overdue."""
    given = field("hours")

    def work(connection: Connection, owner: int) -> str:
        hours = int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else -1  # noqa: PLR2004
        watches.set_overdue_hours(connection, owner, hours)
        return f"after {hours} hours"

    return _act(project, AuditEvent.OVERDUE, work)


@bp.post("/feed")
@requires(Access.ADMINISTRATOR)
def renew_feed(project: str) -> ResponseReturnValue:
    """Give the feed a new address; the old one ends."""

    def work(connection: Connection, owner: int) -> str:
        watches.renew_feed_key(connection, owner)
        return "feed"

    return _act(project, AuditEvent.FEED, work)


def _act(project: str, event: AuditEvent, work: Any) -> ResponseReturnValue:
    """Do `work` with the project's id, write what it returns to the audit log, and redirect to the page."""

    def both(connection: Connection) -> None:
        about = work(connection, projects.number(connection, project))
        audit.write(connection, current_actor(), event, f"{project}/{about}", ledger_clock.now())

    project_or_404(project)
    try:
        transaction(engine(), both)
    except InputError as refused:
        return _index(project, refused)
    return _back(project)


def _back(project: str) -> Response:
    return Response(status=303, headers={"Location": url_for("notifications.index", project=project)})


def _index(project: str, refused: InputError | None = None) -> Response:
    project_or_404(project)
    now = ledger_clock.now()

    def read(connection: Connection) -> dict[str, Any]:
        number = projects.number(connection, project)
        return {
            "watch": watches.of_project(connection, number),
            "channels": channels.of_project(connection, number),
            "events": deliveries.recent(connection, number),
            "notifier": deliveries.last_notifier(connection),
        }

    found = transaction(engine(), read)
    if record.record_overdue(engine(), now):
        found = transaction(engine(), read)
    page = render_template(
        "notifications.html",
        project=project,
        now=http_cache.this_minute(),
        refused=refused,
        submitted=request.form,
        formats=formats.FORMAT_LABELS,
        is_notifier_late=found["notifier"] is None or now - found["notifier"] > NOTIFIER_LATE,
        **found,
    )
    return Response(page, 200 if refused is None else 422)
