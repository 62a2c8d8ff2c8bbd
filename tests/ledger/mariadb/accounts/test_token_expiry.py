"""Tokens that end."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update
from tests.ledger.sample_proofs import CLOSED_PORT, body, document

from ledger import clock as ledger_clock
from ledger.__main__ import parser
from ledger.accounts import cli, tokens
from ledger.accounts.errors import InputError
from ledger.accounts.expiry import parse_expiry
from ledger.accounts.tables import TOKEN

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import SampleLedger
    from werkzeug.test import TestResponse

NOW = datetime(2026, 5, 4, 12)  # noqa: DTZ001 - as the tables store it


def post(world: "SampleLedger", token: str) -> "TestResponse":
    """Add a proof with a token."""
    proof = body(document({("app", "db", 3306): CLOSED_PORT}, project="ours"))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return world.app.test_client().post("/api/v1/proofs", data=proof, headers=headers)


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ("", None),
        ("never", None),
        ("30", NOW + timedelta(days=30)),
        (" 90D ", NOW + timedelta(days=90)),
        ("2026-05-04", NOW.replace(hour=23, minute=59, second=59)),
        ("2030-12-31", datetime(2030, 12, 31, 23, 59, 59)),  # noqa: DTZ001 - as above
    ],
)
def test_an_end_is_a_number_of_days_or_the_last_day(given: str, end: datetime | None) -> None:
    assert parse_expiry(given, NOW) == end


@pytest.mark.parametrize("given", ["0", "-1", "3651", "2026-05-03", "2099-01-01", "31.12.2030", "soon", "٣٠"])
def test_an_end_that_is_none_is_reported_at_its_field(given: str) -> None:
    with pytest.raises(InputError, match="A token expires after 1 to 3650 days") as refused:
        parse_expiry(given, NOW)

    assert refused.value.field == "expires"


def test_an_expired_token_is_refused_with_a_sentence(world: "SampleLedger") -> None:
    token = world.token("ours", "ci", may_write=True, expires=ledger_clock.now() + timedelta(days=1))
    assert post(world, token).status_code == 201
    world.do(lambda c: c.execute(update(TOKEN).values(expires=datetime(2026, 1, 2, 3, 4))))  # noqa: DTZ001 - as above
    answer = post(world, token)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json["error"]["detail"] == "This token expired on 2026-01-02 03:04 UTC. Create a new one."  # type: ignore[index]


def test_the_program_is_told_until_when_its_token_is_valid(world: "SampleLedger") -> None:
    ends = datetime(2030, 12, 31, 23, 59, 59)  # noqa: DTZ001 - as above
    limited, endless = world.token("ours", "ci", may_write=True, expires=ends), world.token("ours", "x", may_write=True)

    assert post(world, limited).headers["Cloison-Token-Expires"] == "2030-12-31T23:59:59Z"
    assert "Cloison-Token-Expires" not in post(world, endless).headers


def test_every_answer_to_a_known_token_documents_the_header(world: "SampleLedger") -> None:
    client = world.app.test_client()
    described = client.get("/api/v1/openapi.json").get_json()
    (header,) = described["components"]["headers"].values()
    assert {"type": "string", "format": "date-time"} == header["schema"]

    token = world.token("ours", "reader", may_read=True, expires=ledger_clock.now() + timedelta(days=1))
    for path in ("/proofs", "/doors", "/proofs?limit=x", f"/proofs/{'0' * 64}"):
        answer = client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {token}"})
        template = path.partition("?")[0].replace("0" * 64, "{digest}")
        documented = described["paths"][f"/api/v1{template}"]["get"]["responses"][str(answer.status_code)]

        assert "Cloison-Token-Expires" in documented["headers"]
        assert datetime.fromisoformat(answer.headers["Cloison-Token-Expires"]).tzinfo


def test_the_page_makes_and_shows_an_end(world: "SampleLedger") -> None:
    ada = world.browser_of("ada")
    fields = {"project": "ours", "may_write": "1"}
    assert ada.send("/admin/tokens", name="short", expires="30", **fields).status_code == 200
    assert ada.send("/admin/tokens", name="bad", expires="soon", **fields).status_code == 422
    (token,) = world.do(lambda c: tokens.of_project(c, "ours"))
    assert token.expires is not None
    assert timedelta(days=29) < token.expires - ledger_clock.now() <= timedelta(days=30)
    assert f"{token.expires:%Y-%m-%d}" in ada.get("/admin/tokens").text
    assert f", expires {token.expires:%Y-%m-%d}" in world.log()[-1][2]

    world.do(lambda c: c.execute(update(TOKEN).values(expires=ledger_clock.now())))
    page = ada.get("/admin/tokens").text
    assert "<td>expired</td>" in page
    assert "Revoke<" not in page.partition("<tbody>")[2].partition("</tbody>")[0]


def test_an_expired_token_s_name_is_free_again(world: "SampleLedger") -> None:
    world.token("ours", "ci", may_write=True, expires=ledger_clock.now() - timedelta(days=1))

    assert world.token("ours", "ci", may_write=True).startswith("clo_")


def test_the_command_line_makes_an_end_and_checks_it(
    world: "SampleLedger", monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*argv: str) -> int:
        return cli.run(world.engine, cli.VERBS[argv[0]], parser().parse_args(argv))

    assert run("new-token", "ours", "ci", "--write", "--expires", "yesterday") == 1
    assert run("new-token", "ours", "ci", "--write", "--expires", "7") == 0
    (token,) = world.do(lambda c: tokens.of_project(c, "ours"))
    assert token.expires is not None
    secret = capsys.readouterr().out.strip()
    for ends, code in ((token.expires, 0), (ledger_clock.now(), 1)):
        with world.engine.begin() as connection:
            connection.execute(update(TOKEN).values(expires=ends))
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdin.readline", lambda: f"{secret}\n", raising=False)
            assert run("check-token", "ours") == code
