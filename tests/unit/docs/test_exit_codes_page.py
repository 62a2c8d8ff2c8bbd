"""The codes and words of docs/exit-codes.md and of the quickstart are those of the program."""

from __future__ import annotations

import re
from typing import Final

import pytest
from tests.unit.docs.page_examples import text

from cloison import errors
from cloison.linux.signals import TERMINATED
from cloison.reports.verdict_line import VERDICTS
from cloison_view.verdict import EXIT_CODES, PLAN_WORDS

ROWS: Final = dict(re.findall(r"^\| (\d+) \| (.*) \|$", text("exit-codes.md"), re.MULTILINE))
ROWS_OF_THE_QUICKSTART: Final = re.findall(r"^\| (`[A-Z].*?) \| (\d) \|", text("quickstart.md"), re.MULTILINE)
CODES: Final = EXIT_CODES | {PLAN_WORDS[word]: code for word, code in EXIT_CODES.items()}
LABELS: Final = [(label, CODES[word]) for word, (label, _) in VERDICTS.items()]


def test_every_code_has_a_row() -> None:
    codes = {errors.PROVEN, errors.BREACHED, errors.USAGE_ERROR, errors.UNPROVEN, errors.INTERRUPTED, TERMINATED}

    assert {str(code) for code in codes} == set(ROWS)


@pytest.mark.parametrize(("label", "code"), LABELS)
def test_the_word_of_a_verdict_is_in_the_row_of_its_code(label: str, code: int) -> None:
    assert label in ROWS[str(code)]
    assert [str(code)] == [number for words, number in ROWS_OF_THE_QUICKSTART if f"`{label}`" in words]
