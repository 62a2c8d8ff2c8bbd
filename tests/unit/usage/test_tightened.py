"""A Compose file without the lines of its policy that nothing used."""

from __future__ import annotations

import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML
from tests.unit.usage.sample_usage import MONTH, START

from cloison.compose import project as compose_project
from cloison.compose.removed_lines import without_lines
from cloison.errors import UsageError
from cloison.plan.synthetic_facts import Assumptions
from cloison.usage.record import DAY, Period, Usage
from cloison.usage.tightened import Tightened, nothing, tightened

FILE = """\
# a shop
name: shop
services:
  web: {image: web, networks: {net: }}   # the front
  db: {image: db, expose: ["5432"], networks: {net: }}
networks: {net: {name: shop_net}}
x-cloison:
  # what is needed
  allow:
    - web -> db:5432  # by the code
    # nobody knows
    - db -> web:8080

    - web -> db:9
  tolerate:
    - network: net
      why: >-
        shared

    # at the end
    - {flow: "* -> outside", why: "bridge"}
# after
"""
ONE = [f"x-cloison.allow[{i}]" for i in (1,)]


def result(*where: str, text: str = FILE) -> Tightened:
    project = compose_project.project(yaml.safe_load(text))
    return tightened(project, text, "compose.yaml", where, Assumptions("20.10"))


@pytest.mark.parametrize(
    ("where", "gone"),
    [
        (("allow[0]",), "    - web -> db:5432  # by the code\n"),
        (("allow[1]",), "    - db -> web:8080\n"),
        (("allow[2]",), "    - web -> db:9\n"),
        (("tolerate[0]",), "    - network: net\n      why: >-\n        shared\n"),
        (("tolerate[1].flow",), '    - {flow: "* -> outside", why: "bridge"}\n'),
    ],
)
def test_a_line_goes_and_every_other_character_stays(where: tuple[str, ...], gone: str) -> None:
    found = result(*(f"x-cloison.{position}" for position in where))

    assert FILE.replace(gone, "") == found.text
    assert "".join(f"-{line}" for line in gone.splitlines(keepends=True)) in found.diff
    assert found.diff.startswith("--- compose.yaml\n+++ compose.yaml\n@@")


def test_a_list_without_lines_is_an_empty_list() -> None:
    found = result(*(f"x-cloison.allow[{i}]" for i in range(3)), "x-cloison.tolerate[0]", "x-cloison.tolerate[1].flow")

    assert {"allow": [], "tolerate": []} == yaml.safe_load(found.text)["x-cloison"]
    assert "    # nobody knows\n" in found.text


@pytest.mark.parametrize("gone", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)])
def test_a_list_in_brackets_is_edited_too(gone: tuple[int, ...]) -> None:
    texts = ["web -> db:5432", "db -> web:8080", "web -> db:9"]
    text = FILE[: FILE.index("x-cloison")] + f'x-cloison: {{allow: [ "{texts[0]}",{texts[1]} , {texts[2]} ]}} # end'
    found = without_lines(text, [f"x-cloison.allow[{i}]" for i in gone], "f", {"allow": 3, "tolerate": 0})

    assert [text for i, text in enumerate(texts) if i not in gone] == yaml.safe_load(found)["x-cloison"]["allow"]
    assert found.endswith("} # end")


def test_a_last_line_without_an_end_is_removed() -> None:
    text = FILE[: FILE.index("  tolerate")].rstrip()

    assert "web -> db:9" not in result("x-cloison.allow[2]", text=text).text
    assert "\n-    - web -> db:9\n\\ No newline at end of file\n" in result("x-cloison.allow[2]", text=text).diff


def test_a_policy_of_several_files_is_refused() -> None:
    with pytest.raises(UsageError, match="the policy's lines are not all in this file; remove them by hand"):
        without_lines(FILE, ONE, "f", {"allow": 4, "tolerate": 2})
    with pytest.raises(UsageError, match="not all in this file"):
        without_lines("services: {}\nx-cloison:\n", ONE, "f", {"allow": 4})
    with pytest.raises(UsageError, match="not all in this file"):
        without_lines("services: {}\n", ONE, "f", {"allow": 4})


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")
def test_a_line_that_cannot_go_alone_is_refused() -> None:
    text = "services: {}\nx-cloison:\n  allow:\n    - &a web -> db\n    - *a\n"

    with pytest.raises(UsageError, match="cannot be removed without changing the rest"):
        without_lines(text, ["x-cloison.allow[0]"], "f", {"allow": 2})
    again = text.replace("    - *a", "    - &a db -> web\n    - *a")
    with pytest.raises(UsageError, match="cannot be removed without changing the rest"):
        without_lines(again, ONE, "f", {"allow": 3})


def test_what_the_file_leaves_open_is_said() -> None:
    assert () == result("x-cloison.allow[1]").sentences
    (sentence,) = result("x-cloison.tolerate[0]").sentences
    assert "with `cloison enforce`" in sentence
    (enforced,) = result("x-cloison.tolerate[0]", text=FILE.replace("# what is needed", "enforce: true")).sentences
    assert "enforcement, which the policy asks for, closes that" in enforced
    assert "2 pairs" in result("x-cloison.tolerate[1].flow").sentences[0]


def test_nothing_to_remove_is_a_sentence() -> None:
    record = Usage("shop", periods=[Period(START, START + DAY)])

    assert "No line was watched for 30 days without a use; 1 day were watched in all." == nothing(record, MONTH)
