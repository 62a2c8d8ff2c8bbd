"""The audit log as a file."""

import csv
import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ledger import clock as ledger_clock
from ledger.__main__ import main
from ledger.accounts import audit, audit_export
from ledger.accounts.audit import Actor, AuditEvent

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import SampleLedger

    from ledger.settings import Settings

ABOUT = ["=HYPERLINK(1)", "+1", "-1", "@x", 'a "quoted", comma', "two\nlines", "ünïcödé 猫"]


def write(world: "SampleLedger", actor: Actor, event: AuditEvent, about: str, *, days: int = 0) -> None:
    """Add an entry, so many days ago."""
    at = ledger_clock.now() - timedelta(days=days)
    world.do(lambda connection: audit.write(connection, actor, event, about, at))


@pytest.fixture
def written(world: "SampleLedger") -> "SampleLedger":
    """A ledger with entries that a file format may stumble over."""
    for about in ABOUT:
        actor = Actor("mallory", "192.0.2.1", "id-1")
        write(world, actor, AuditEvent.ROLE, about)
    return world


def test_json_lines_have_every_value_as_it_is(written: "SampleLedger") -> None:
    answer = written.browser_of("ada").get("/admin/audit.jsonl")
    lines = [json.loads(line) for line in answer.text.splitlines()]

    assert answer.mimetype == "application/jsonl"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="cloison-audit.jsonl"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert [line["about"] for line in lines[: len(ABOUT)]] == ABOUT
    assert {(line["who"], line["what"], line["address"]) for line in lines[: len(ABOUT)]} == {
        ("mallory", "changed role", "192.0.2.1")
    }
    assert [line["id"] for line in lines] == sorted(line["id"] for line in lines)
    assert all(line["at"].endswith("Z") for line in lines)


def test_a_spreadsheet_reads_no_entry_as_a_formula(written: "SampleLedger") -> None:
    answer = written.browser_of("ada").get("/admin/audit.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))

    assert answer.mimetype == "text/csv"
    assert tuple(rows[0]) == audit_export.COLUMNS
    assert [row["about"] for row in rows[: len(ABOUT)]] == [f"'{about}" for about in ABOUT[:4]] + ABOUT[4:]


def test_the_export_is_written_down(world: "SampleLedger") -> None:
    ada = world.browser_of("ada")
    text = ada.get("/admin/audit.csv").text

    assert world.log()[-1] == ("ada", "exported audit log", "csv")
    assert "exported audit log" in text
    assert "/admin/audit.jsonl" in ada.get("/admin/audit").text


def test_a_long_log_is_read_in_pages(world: "SampleLedger", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_export, "PAGE", 3)
    for n in range(7):
        write(world, Actor("x"), AuditEvent.LOGIN, str(n))

    assert [entry.about for entry in audit_export.entries(world.engine)] == [str(n) for n in range(7)]


def test_the_command_line_prints_it(
    world: "SampleLedger",
    database_settings: "Settings",
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LEDGER_DB_HOST", database_settings.db_host)
    monkeypatch.setenv("LEDGER_DB_PASSWORD_FILE", str(database_settings.db_password_file))
    for days in (9, 1):
        write(world, Actor("x"), AuditEvent.LOGIN, f"{days} days ago", days=days)
    since = (ledger_clock.now() - timedelta(days=3)).date().isoformat()

    assert main(["export-audit", "--since", since]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["who"], line["about"]) for line in lines] == [("x", "1 days ago"), ("command line", "jsonl")]
    assert main(["export-audit", "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("id,at,who,what,about,address,request_id\r\n")
    assert main(["export-audit", "--since", "yesterday"]) == 1
    assert "expected a day such as" in capsys.readouterr().err
