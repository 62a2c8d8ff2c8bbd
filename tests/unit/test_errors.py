from __future__ import annotations

import pytest

from cloison import errors
from cloison.errors import CloisonError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError, 2),
        (errors.FileError, 2),
        (errors.PolicyError, 2),
        (errors.PublishError, 1),
        (errors.NotProven, 3),
    ],
)
def test_every_error_ends_with_the_code_of_its_kind(error: type[CloisonError], code: int) -> None:
    assert code == error("what, where, what to do").exit_code


def test_no_error_has_the_exit_code_of_a_proven_proof() -> None:
    codes = {error.exit_code for error in CloisonError.__subclasses__()}

    assert errors.PROVEN not in codes


def test_the_text_of_an_error_is_its_message() -> None:
    assert "what, where, what to do" == str(errors.FileError("what, where, what to do"))


def test_a_message_is_one_line_without_control_characters() -> None:
    said = str(errors.PolicyError('no service "é 😀\x1b[31m\n\u2028\ud83d"'))

    assert 'no service "é 😀\\x1b[31m\\n\\u2028\\ud83d"' == said


def test_exit_codes_are_the_documented_ones() -> None:
    codes = (errors.PROVEN, errors.BREACHED, errors.USAGE_ERROR, errors.UNPROVEN, errors.INTERRUPTED)

    assert (0, 1, 2, 3, 130) == codes
