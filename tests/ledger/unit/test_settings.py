"""The LEDGER_* variables."""

from pathlib import Path

import pytest

from ledger.settings import DEFAULTS, Settings

ROOT = Path(__file__).parents[3]


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environment({"LEDGER_THREADS": ""}) == Settings.from_environment({})


def test_what_is_set_is_used() -> None:
    assert Settings.from_environment({"LEDGER_DB_HOST": "other", "LEDGER_DB_PORT": "3307"}).db_port == 3307


@pytest.mark.parametrize("value", ["many", "0", "-1"])
def test_an_invalid_number_is_named(value: str) -> None:
    with pytest.raises(SystemExit, match=f"LEDGER_WORKERS='{value}'"):
        Settings.from_environment({"LEDGER_WORKERS": value})


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_every_variable_is_documented(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "stack.md").read_text(encoding="utf-8")
