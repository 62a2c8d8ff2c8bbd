"""The page of all projects that a user may read: searched, filtered by verdict, the most urgent first."""

from typing import Final

from flask import abort, current_app, render_template, request
from flask.typing import ResponseReturnValue

from ledger import clock as ledger_clock
from ledger.archive import project_list
from ledger.archive.records import ProjectRecord
from ledger.authorization import Access, principal, requires
from ledger.views import http_cache
from ledger.views.project import bp
from ledger.views.queries import archive

PAGE_PROJECTS: Final = 50
MAX_OFFSET: Final = 10**6
MAX_SEARCH: Final = 63  # characters: no name of a project is longer


@bp.get("/projects")
@requires(Access.USER)
def index() -> ResponseReturnValue:
    """Show a page of the projects that the user may read and that match the search and the filter."""
    who, now = principal(), http_cache.this_minute()
    search, group, skip = request.args.get("q", "").strip(), request.args.get("verdict", ""), _offset()
    if group not in {"", *project_list.ORDER}:
        abort(400, f"verdict={group[:40]!r} is not one of {', '.join(project_list.ORDER)}.")
    engine = current_app.extensions["engine"]
    rows = project_list.project_rows(engine, None if who.is_administrator else who.reads, ledger_clock.now())
    part = project_list.page(rows, search=search[:MAX_SEARCH], group=group, skip=skip, limit=PAGE_PROJECTS)
    records = _records(part)
    return http_cache.respond(
        (now, part, records, search, group, skip),
        lambda: render_template(
            "projects.html",
            rows=part.rows,
            records=records,
            changed=project_list.changed_since_first(engine, records),
            counts=part.counts,
            matches=part.matches,
            groups=project_list.ORDER,
            need_action=sum(part.counts[name] for name in project_list.NEED_ACTION),
            has_projects=bool(rows),
            search=search,
            group=group,
            skip=skip,
            more=skip + PAGE_PROJECTS if skip + len(part.rows) < part.matches else None,
            now=now,
        ),
    )


def _records(part: project_list.ProjectPage) -> dict[str, ProjectRecord]:
    return {record.name: record for record in archive().projects(frozenset(row.name for row in part.rows))}


def _offset() -> int:
    given = request.args.get("skip", "0")
    if not (given.isascii() and given.isdecimal() and int(given[:20]) <= MAX_OFFSET):
        abort(400, f"skip={given[:40]!r} is not a number from 0 to {MAX_OFFSET}.")
    return int(given)
