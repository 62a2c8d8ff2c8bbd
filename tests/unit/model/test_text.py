from __future__ import annotations

import pytest

from cloison.model.text import listed, printable_line


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, ""), (1, "0"), (2, "0, 1"), (3, "0, 1, 2"), (4, "0, 1 and 2 more"), (9, "0, 1 and 7 more")],
)
def test_words_after_the_limit_are_counted(count: int, expected: str) -> None:
    assert expected == listed(map(str, range(count)), 2)


def test_the_rest_has_a_noun_of_its_own() -> None:
    assert listed("abcd", 1, "more letters") == "a and 3 more letters"


@pytest.mark.parametrize(
    ("text", "expected"), [(" a\n\tb \x1b[31m", "a b [31m"), ("", ""), ("abc", "abc"), ("abcd", "abc…")]
)
def test_a_line_has_no_control_characters_and_an_end(text: str, expected: str) -> None:
    assert expected == printable_line(text, 3 if text.startswith("abc") else 300)
