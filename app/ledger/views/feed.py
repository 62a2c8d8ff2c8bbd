"""The feed of a project: its events in the Atom format (RFC 4287), for everybody who has the address."""

import uuid
from typing import Final
from xml.etree import ElementTree as ET

from flask import Blueprint, Response, abort, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from cloison_view.labels import shown
from ledger import clock as ledger_clock
from ledger.accounts.authentication import engine
from ledger.authorization import Access, requires
from ledger.notifications import deliveries, record, watches
from ledger.notifications.deliveries import EventRecord
from ledger.notifications.watches import WatchedProject
from ledger.public_address import public_address
from ledger.views import time_format

bp = Blueprint("feed", __name__)

ATOM: Final = "http://www.w3.org/2005/Atom"
ENTRIES: Final = 50
MAX_AGE: Final = 60  # seconds


@bp.get("/feed/<key>.atom")
@requires(Access.PUBLIC)
def show(key: str) -> ResponseReturnValue:
    """Send the last events of the project with this key, the newest first."""

    def read(connection: Connection) -> tuple[WatchedProject, list[EventRecord]]:
        found = watches.by_feed_key(connection, key)
        if found is None:
            abort(404, "There is no feed at this address.")
        return found, deliveries.recent(connection, found.id, most=ENTRIES, with_tests=False)

    with engine().connect() as connection:
        project, events = read(connection)
    # Without a notifier nobody else looks whether proofs still arrive.
    if record.record_overdue(engine(), ledger_clock.now(), project=project.id):
        with engine().connect() as connection:
            project, events = read(connection)
    response = Response(_feed(project, events), mimetype="application/atom+xml")
    response.headers["Cache-Control"] = f"private, max-age={MAX_AGE}"
    response.add_etag()
    return response.make_conditional(request)


def _feed(project: WatchedProject, events: list[EventRecord]) -> bytes:
    ET.register_namespace("", ATOM)
    root = _element(None, "feed")
    _element(root, "id", _identity(project.name))
    _element(root, "title", f"Isolation of {project.name}")
    _element(root, "updated", time_format.iso(events[0].at if events else project.created))
    _element(_element(root, "author"), "name", "Cloison ledger")
    _element(root, "link", rel="self", type="application/atom+xml", href=public_address(request.path))
    page = public_address(url_for("project.show", project=project.name))
    _element(root, "link", rel="alternate", type="text/html", href=page)
    for event in events:
        _add_entry(root, project.name, event, page)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _add_entry(root: ET.Element, project: str, event: EventRecord, page: str) -> None:
    entry = _element(root, "entry")
    _element(entry, "id", _identity(project, event.kind, event.cause))
    _element(entry, "title", f"{project}: {event.title}")
    _element(entry, "updated", time_format.iso(event.at))
    _element(entry, "summary", shown(event.summary), type="text")
    _element(entry, "category", term=event.kind)
    address = public_address(url_for("proofs.show", project=project, digest=event.digest)) if event.digest else page
    _element(entry, "link", rel="alternate", type="text/html", href=address)


def _element(parent: ET.Element | None, tag: str, text: str = "", **attributes: str) -> ET.Element:
    name = f"{{{ATOM}}}{tag}"
    made = ET.Element(name, attributes) if parent is None else ET.SubElement(parent, name, attributes)
    made.text = text or None
    return made


def _identity(*names: str) -> str:
    """Return an id that stays the same whatever the address of the ledger and the key of the feed."""
    return uuid.uuid5(uuid.NAMESPACE_OID, "/".join(("cloison", *names))).urn
