"""The page about the provider has a row for each option, and an example that `cloison compose` understands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

from cloison.commands.compose import CHECKS, PARAMETERS

PAGE: Final = (Path(__file__).parents[3] / "docs" / "provider.md").read_text()


def test_every_option_has_a_row() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE)

    assert sorted(rows) == sorted(str(part["name"]) for part in PARAMETERS)


def test_the_example_names_options_that_exist() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    provider = YAML(typ="safe").load(text)["services"]["isolation"]["provider"]

    assert ("cloison", True) == (provider["type"], provider["options"]["check"] in CHECKS)
