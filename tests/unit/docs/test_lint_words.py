from __future__ import annotations

import re
from pathlib import Path

import pytest
from setup import lint_words


@pytest.mark.parametrize("word", sorted({*lint_words.NAMES, *lint_words.TEXTS}))
def test_a_retired_word_has_a_standard_term_which_is_not_retired(word: str) -> None:
    standard = {**lint_words.TEXTS, **lint_words.NAMES}[word]

    assert [] == [*lint_words.in_text("page.py", 1, f"{standard} .")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import seat", ["seat"]),
        ("from seats import Plan as Volley", ["volley"]),
        ("shots = 1", ["shots"]),
        ("probe.volley()", ["volley"]),
        ("def lodger(): ...", ["lodger"]),
        ("async def lodger(): ...", ["lodger"]),
        ("class HostDoor: ...", ["door"]),
        ("def probe(errand_id): ...", ["errand"]),
        ("probe(errand_id=1)", ["errand"]),
        ("try: ...\nexcept OSError as astray: ...", ["astray"]),
        ("match 1:\n  case lodger: ...", ["lodger"]),
        ("doorstep = outdoors = 1", []),
        ("def test_a_leads_file(): ...", []),
        ("def test_a_door(): ...", ["door"]),
    ],
)
def test_a_retired_word_is_found_in_every_kind_of_identifier(source: str, expected: list[str]) -> None:
    assert expected == [hit.word for hit in lint_words.in_python("src/page.py", source)]


def test_a_retired_word_is_found_in_the_name_of_a_module() -> None:
    assert ["stagehand"] == [hit.word for hit in lint_words.in_python("src/stagehand.py", "")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('raise Error(f"the door {name} is shut")', ["door"]),
        ('option("--name", help="Which SEATS to take.")', ["seats"]),
        ('"""A module\\nwith a way\\nout of it."""', ["way out"]),
        ('key = "doors"', []),
        ('path = "see /api/v1/doors and docs/doors.md"', []),
        ('text = "an outdoor wallet"', []),
    ],
)
def test_a_retired_word_is_found_in_texts_and_not_in_keys_and_paths(source: str, expected: list[str]) -> None:
    assert expected == [hit.word for hit in lint_words.in_python("src/page.py", source)]


def test_the_literals_of_tests_are_data() -> None:
    assert [] == [*lint_words.in_python("tests/page.py", 'data = "the door is shut"')]


def test_the_line_of_a_word_in_a_long_text_is_its_own() -> None:
    hits = lint_words.in_python("src/page.py", '"""First line.\n\nThe third line has a door.\n"""\n')

    assert ["src/page.py:3: door: port, connection or flow  (The third line has a door.)"] == [str(hit) for hit in hits]


def test_the_text_of_a_page_is_checked_and_its_markup_is_not() -> None:
    page = '<p class="door wall">{{ door }} {% for seat in seats %}\n{# a door #}\nEvery <b>door</b> here.</p>'

    assert [(3, "door")] == [(hit.line, hit.word) for hit in lint_words.in_template("page.html", page)]


def test_a_page_of_the_documentation_is_checked_without_its_code() -> None:
    page = "# Page\n```sh\na door\n```\nThe path `/api/v1/doors` and\nsome `code\nof` a door.\n"

    assert [(7, "door")] == [(hit.line, hit.word) for hit in lint_words.in_markdown("page.md", page)]


def test_a_shell_script_is_checked_line_by_line() -> None:
    assert [(2, "doors")] == [(hit.line, hit.word) for hit in lint_words.in_shell("a.sh", 'say "x"\nsay "two doors"\n')]


def test_an_exception_covers_its_use_and_no_other() -> None:
    member = lint_words.Hit("src/cloison/proof/schema.py", 1, "patience", "timeout", "patience_ms")
    other = lint_words.Hit("src/cloison/proof/schema.py", 1, "patience", "timeout", "patience_left")

    assert [True, False] == [any(row.covers(hit) for row in lint_words.EXCEPTIONS) for hit in (member, other)]


@pytest.mark.parametrize("row", lint_words.EXCEPTIONS, ids=[row.reason for row in lint_words.EXCEPTIONS])
def test_an_exception_has_a_reason_a_pattern_and_a_path_that_exists(row: lint_words.Allowed) -> None:
    assert re.compile(row.pattern)
    assert row.reason
    assert (lint_words.ROOT / row.path).exists()


def test_hits_end_with_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/page.py").write_text("door = 1\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(lint_words, "ROOT", tmp_path)

    assert [1, 0] == [lint_words.main(["src"]), lint_words.main(["empty"])]
    assert "src/page.py:1: door: port, connection or flow  (door)\n" == capsys.readouterr().out
