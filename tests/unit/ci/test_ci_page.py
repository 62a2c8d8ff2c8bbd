"""The examples of the page about CI: each is YAML of its host, and names what the project has."""

from __future__ import annotations

import re
from typing import Any, Final

from ruamel.yaml import YAML
from tests.unit.ci.repository import ROOT

PAGE: Final = (ROOT / "docs" / "ci.md").read_text()
EXAMPLES: Final[dict[str, Any]] = {
    name: YAML(typ="safe").load(text)
    for name, text in re.findall(r"^```yaml file=(\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
}
ACTION: Final[dict[str, Any]] = YAML(typ="safe").load((ROOT / "action.yml").read_text())
HOOKS: Final[list[dict[str, Any]]] = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())


def test_there_is_an_example_for_each_host() -> None:
    assert {".github/workflows/isolation.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml"} == set(EXAMPLES)


def test_the_workflow_uses_inputs_that_the_action_has() -> None:
    steps = EXAMPLES[".github/workflows/isolation.yml"]["jobs"]["plan"]["steps"]

    assert set(steps[-1]["with"]) <= set(ACTION["inputs"])


def test_every_input_of_the_action_has_a_row_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (?:`([^`]*)`)? ?\|", PAGE, re.MULTILINE))

    assert {name: body["default"] for name, body in ACTION["inputs"].items()} == rows


def test_the_hook_and_the_template_exist() -> None:
    (repo,) = EXAMPLES[".pre-commit-config.yaml"]["repos"]

    assert {hook["id"] for hook in repo["hooks"]} == {hook["id"] for hook in HOOKS}
    assert (ROOT / EXAMPLES[".gitlab-ci.yml"]["include"][0]["file"]).is_file()


def test_the_units_that_the_page_installs_exist() -> None:
    (pattern,) = re.findall(r"install -m 0644 (\S+)", PAGE)

    assert 2 == len(list(ROOT.glob(pattern)))
