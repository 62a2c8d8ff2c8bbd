"""The HTTP API for programs: add proofs, read them, compare them, and query connections over time.

Input: requests with a token, which names the project. Output: JSON. Rule: openapi.json describes every route, and
tests/ledger/mariadb/test_api.py checks that it is complete.
"""

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from flask import Blueprint, Response, abort, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import TooManyRequests

from cloison_view.difference import ConnectionChange, difference
from ledger.archive.quota import Quota, QuotaExceededError
from ledger.archive.records import Interval, ProofRecord
from ledger.archive.store import MAX_ROWS, Archive
from ledger.archive.validate import InvalidProofError
from ledger.authorization import Access, principal, requires
from ledger.errors import Refused
from ledger.upload_limit import LARGE_BYTES, UploadSlot, upload_slot

bp = Blueprint("api", __name__, url_prefix="/api/v1")

HERE: Final = Path(__file__).parent
OBSERVED: Final = frozenset({"open", "shut", "unknown"})
PROTOCOLS: Final = frozenset({"tcp", "udp", "sctp"})
PORTS: Final = 65535
DIGEST: Final = "<string(length=64):digest>"


def _build_description() -> bytes:
    """Return the OpenAPI document, with the schema of a proof added."""
    form = (HERE / "archive/proof.schema.json").read_text(encoding="utf-8").replace("#/$defs/", "#/components/schemas/")
    parts = msgspec.json.decode(form)
    whole = msgspec.json.decode((HERE / "openapi.json").read_bytes())
    whole["components"]["schemas"] |= parts["$defs"]
    return msgspec.json.encode(whole)


DESCRIPTION: Final = _build_description()


@bp.get("/openapi.json")
@requires(Access.PUBLIC)
def description() -> ResponseReturnValue:
    """Return the OpenAPI document of this API."""
    return Response(DESCRIPTION, mimetype="application/json", headers={"Cache-Control": "public, max-age=300"})


@bp.post("/proofs")
@requires(Access.WRITE_TOKEN)
def add() -> ResponseReturnValue:
    """Store a proof. The response is sent after the database has committed it."""
    with upload_slot() as slot:
        try:
            stored = _archive().save(
                principal().project, _request_body(slot), other_name=_is_other_name_meant(), quota=_quota()
            )
        except QuotaExceededError as exceeded:
            raise TooManyRequests(str(exceeded), retry_after=exceeded.seconds) from exceeded
        except InvalidProofError as refused:
            raise Refused(str(refused), refused.reason) from refused
    response = _json({"digest": stored.digest, "new": stored.is_new}, 201 if stored.is_new else 200)
    response.headers["Location"] = f"{bp.url_prefix}/proofs/{stored.digest}"
    return response


@bp.get("/proofs")
@requires(Access.READ_TOKEN)
def proofs() -> ResponseReturnValue:
    """Return a page of proofs, newest first."""
    _refuse_unknown("before", "limit", "changes")
    changes = request.args.get("changes", "0")
    if changes not in {"0", "1"}:
        abort(400, "changes: 1 for only the proofs that changed something, 0 for all.")
    try:
        page = _archive().proofs(
            principal().project,
            before=request.args.get("before"),
            limit=_number("limit", 50, least=1, most=MAX_ROWS),
            only_changes=changes == "1",
        )
    except ValueError as error:
        abort(400, str(error))
    return _json({"proofs": [proof_json(found) for found in page.records], "next": page.next})


@bp.get(f"/proofs/{DIGEST}")
@requires(Access.READ_TOKEN)
def proof(digest: str) -> ResponseReturnValue:
    """Return the bytes of a proof as they were sent."""
    response = Response(_body(digest), mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(digest)
    return response.make_conditional(request)


@bp.get(f"/proofs/{DIGEST}/since/<string(length=64):earlier>")
@requires(Access.READ_TOKEN)
def since(digest: str, earlier: str) -> ResponseReturnValue:
    """Return the connections that opened, closed or changed otherwise since an earlier proof."""
    with upload_slot() as slot:
        old, new = _body(earlier), _body(digest)
        slot.acquire_for(max(len(old), len(new)))
        found = difference(msgspec.json.decode(old), msgspec.json.decode(new))
    return _json(
        {name: [_change_json(one) for one in getattr(found, name)] for name in ("opened", "closed", "changed")}
    )


@bp.get("/doors")
@requires(Access.READ_TOKEN)
def list_intervals() -> ResponseReturnValue:
    """Return the intervals in which connections had the same state."""
    _refuse_unknown("source", "target", "protocol", "port", "observed", "at", "offset", "limit")
    given = request.args
    offset, limit = _number("offset", 0, least=0, most=10**9), _number("limit", MAX_ROWS, least=1, most=MAX_ROWS)
    found = _archive().intervals(
        principal().project,
        source=given.get("source"),
        target=given.get("target"),
        protocol=_one_of("protocol", PROTOCOLS),
        port=_number("port", 0, least=0, most=PORTS) if "port" in given else None,
        observed=_one_of("observed", OBSERVED),
        at=_parse_time("at"),
        offset=offset,
        limit=limit,
    )
    return _json(
        {"doors": [interval_json(one) for one in found], "next": offset + limit if len(found) == limit else None}
    )


def proof_json(found: ProofRecord) -> dict[str, Any]:
    """Return a proof's record as a document."""
    document: dict[str, Any] = msgspec.to_builtins(found, builtin_types=(datetime,))
    return document | {"started": _timestamp(found.started), "received": _timestamp(found.received)}


def interval_json(found: Interval) -> dict[str, Any]:
    """Return an interval as a document."""
    document: dict[str, Any] = msgspec.to_builtins(found, builtin_types=(datetime,))
    return document | {"since": _timestamp(found.since), "until": found.until and _timestamp(found.until)}


def _archive() -> Archive:
    archive: Archive = current_app.extensions["archive"]
    return archive


def _body(digest: str) -> bytes:
    body = _archive().body(principal().project, digest)
    if body is None:
        abort(404, "The project has no proof with this digest.")
    return body


def _quota() -> Quota | None:
    token, settings = principal().token_id, current_app.config["SETTINGS"]
    return None if token is None else Quota(token, settings.proofs_per_day, settings.changes_per_day)


def _is_other_name_meant() -> bool:
    """Return whether the client names its token's project, and so accepts that the document names another one."""
    _refuse_unknown("as")
    meant = request.args.get("as")
    if meant is not None and meant != principal().project:
        raise Refused(f"as: the token is one of the project {principal().project!r}, not of {meant[:63]!r}.", "project")
    return meant is not None


def _request_body(slot: UploadSlot) -> bytes:
    """Return the body, decompressed; abort with 413 when it is larger than the limit."""
    if request.mimetype != "application/json":
        abort(415, "A proof is sent as application/json.")
    limit: int = current_app.config["SETTINGS"].proof_limit
    request.max_content_length = limit
    slot.acquire_for(request.content_length)
    body = request.get_data(cache=False)
    if request.content_length is not None and len(body) < request.content_length:
        abort(400, "The body ended before its length was reached.")
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding == "gzip":
        return _decompressed(body, limit, slot)
    if encoding != "identity":
        abort(415, "A proof is sent as it is or compressed with gzip.")
    return body


def _decompressed(body: bytes, limit: int, slot: UploadSlot) -> bytes:
    unpacking = zlib.decompressobj(wbits=31)  # gzip
    try:
        found = unpacking.decompress(body, min(LARGE_BYTES, limit))
        if unpacking.unconsumed_tail:
            slot.acquire_for(None)
            found += unpacking.decompress(unpacking.unconsumed_tail, limit + 1 - len(found))
    except zlib.error:
        abort(400, "The body is not in gzip format.")
    if len(found) > limit:
        abort(413, f"A proof may have at most {limit:,} bytes, uncompressed.")
    if not unpacking.eof or unpacking.unused_data:
        abort(400, "The body is not one complete gzip file.")
    return found


def _refuse_unknown(*names: str) -> None:
    unknown = sorted(request.args.keys() - set(names))
    if unknown:
        abort(400, f"{unknown[0][:40]}: no such parameter; the parameters are {', '.join(names)}.")


def _number(name: str, default: int, *, least: int, most: int) -> int:
    given = request.args.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) < 12 and least <= int(given) <= most):  # noqa: PLR2004
        abort(400, f"{name}: a whole number from {least} to {most}.")
    return int(given)


def _one_of(name: str, words: frozenset[str]) -> str | None:
    given = request.args.get(name)
    if given is not None and given not in words:
        abort(400, f"{name}: one of {', '.join(sorted(words))}.")
    return given


def _parse_time(name: str) -> datetime | None:
    given = request.args.get(name)
    if given is None:
        return None
    try:
        time = datetime.fromisoformat(given)
        if time.tzinfo is None:
            raise ValueError("no zone")  # noqa: TRY301 - one sentence for both
        return time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        abort(400, f"{name}: a time of RFC 3339, such as 2026-01-31T12:00:00Z.")


def _timestamp(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds") + "Z"


def _change_json(change: ConnectionChange) -> dict[str, Any]:
    connection = change.connection
    before, after = (
        one and {name: getattr(one, name) for name in ("intended", "predicted", "observed", "judgement", "drift")}
        for one in (change.old, change.new)
    )
    return {
        "source": connection.source,
        "target": connection.target,
        "protocol": connection.protocol,
        "port": connection.port,
        "before": before,
        "after": after,
    }


def _json(document: Mapping[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, mimetype="application/json")
