"""A policy is put into the text of a Compose file, and every other character stays."""

from __future__ import annotations

import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML

from cloison.compose.file_text import has_policy, with_policy
from cloison.errors import CloisonError

BLOCK = "x-cloison:\n  # new\n  allow: []\n"
FILE = "# top\nservices:\n  a: &base {image: 'x'}   # keep\n  b:\n    <<: *base\n"
OLD = "x-cloison:\n  allow:\n    - a -> b\n  # inside\n"


def test_the_block_follows_the_file_after_an_empty_line() -> None:
    assert f"{FILE}\n{BLOCK}" == with_policy(FILE, BLOCK, "f")
    assert f"{FILE}\n{BLOCK}" == with_policy(f"{FILE}\n", BLOCK, "f")


def test_a_file_without_a_last_line_end_gets_one() -> None:
    assert f"{FILE}\n{BLOCK}" == with_policy(FILE.rstrip("\n"), BLOCK, "f")


def test_line_ends_and_a_byte_order_mark_stay() -> None:
    text = "\ufeff" + FILE.replace("\n", "\r\n")

    assert text + "\r\n" + BLOCK.replace("\n", "\r\n") == with_policy(text, BLOCK, "f")


@pytest.mark.parametrize("rest", ["", "# about the volumes\nvolumes:\n  v:\n", "\n\nvolumes: {v: }\n# end\n"])
def test_an_old_policy_is_replaced_where_it_stands(rest: str) -> None:
    assert f"{FILE}\n{BLOCK}{rest}" == with_policy(f"{FILE}\n{OLD}{rest}", BLOCK, "f", replaces=True)


def test_an_old_policy_is_refused_without_force() -> None:
    with pytest.raises(CloisonError, match="f: the file has a policy already; --force replaces it"):
        with_policy(FILE + OLD, BLOCK, "f")


def test_a_text_that_keeps_its_line_ends_is_not_lengthened() -> None:
    text = "services:\n  a:\n    command: |+\n      run\n"
    found = with_policy(text, BLOCK, "f")

    assert yaml.safe_load(text)["services"] == yaml.safe_load(found)["services"]
    assert text + BLOCK == found


def test_the_end_of_a_document_stays_after_the_block() -> None:
    found = with_policy(f"---\n{FILE}...\n", BLOCK, "f")

    assert f"---\n{FILE}\n{BLOCK}\n...\n" == found


def test_tags_of_compose_are_read() -> None:
    text = "services:\n  a:\n    ports: !override []\n    x: !reset null\n"

    assert has_policy(with_policy(text, BLOCK, "f"), "f")
    assert not has_policy(text, "f")


def test_an_alias_inside_itself_is_read() -> None:
    assert has_policy(with_policy("x-a: &a [*a]\n", BLOCK, "f"), "f")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{services: {}}\n", "written in braces"),
        ("- a\n", "no mapping in lines"),
        ("plain\n", "no mapping in lines"),
        ("", "the file has 0 documents"),
        ("a: 1\n---\nb: 2\n", "the file has 2 documents"),
        ("a: [\n", "no YAML"),
        ("a: \x00\n", "no YAML"),
    ],
)
def test_a_file_that_cannot_be_edited_is_refused_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(CloisonError, match=said):
        with_policy(text, BLOCK, "f")


def test_a_policy_whose_anchor_is_used_elsewhere_is_not_replaced() -> None:
    text = "x-cloison: &p\n  allow: []\nservices:\n  a: *p\n"

    with pytest.raises(CloisonError, match="without changing the rest"):
        with_policy(text, BLOCK, "f", replaces=True)
