"""The proxy asks here whether a token may add a proof, before it receives the body of the request.

Rule: the answer is in the status alone: 204, or what adding a proof would answer to these headers. The proxy answers
404 to clients that ask.
"""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from ledger.authorization import Access, requires

bp = Blueprint("admission", __name__, url_prefix="/internal")


@bp.get("/may-add")
@requires(Access.WRITE_TOKEN)
def may_add() -> ResponseReturnValue:
    """Answer 204 to a token that may add proofs to its project."""
    return "", 204
