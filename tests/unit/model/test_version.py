from __future__ import annotations

from itertools import pairwise

import pytest

from cloison.model.version import parse_version


def test_versions_are_in_the_order_of_their_release() -> None:
    order = [
        "20.10.9",
        "20.10.24+dfsg1",
        "v24.0.7",
        "26.0.0-beta.1",
        "26.0.0-rc1",
        "26.0.0-rc.2",
        "26.0.0-rc3",
        "26.0.0",
    ]
    read = [parse_version(text) for text in order]

    assert all(before and after and before < after for before, after in pairwise(read))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("24.0.7-0ubuntu4", (24, 0, 7)),
        ("28.3", (28, 3)),
        ("4.43.0 (198352)", (4, 43, 0)),
    ],
)
def test_the_suffix_of_a_distribution_is_left_out(text: str, expected: tuple[int, ...]) -> None:
    read = parse_version(text)

    assert read is not None
    assert read.release == expected


@pytest.mark.parametrize("text", ["", "dev", "library-import"])
def test_a_text_that_is_no_version_is_none(text: str) -> None:
    assert parse_version(text) is None
