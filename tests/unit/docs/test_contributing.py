"""The map of the packages in CONTRIBUTING.md is compared with pyproject.toml and with the tree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
LAYERS = next(
    contract["layers"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    if contract["type"] == "layers"
)
TREE = PAGE[PAGE.index("src/cloison/\n") : PAGE.index("app/cloison_view/  ")]
REQUESTS = re.findall(r"^\| (?!request|-)(.+?) \| (.+) \|$", PAGE, re.MULTILINE)
NEW = re.compile(r"NAME|NUMBER")


def named_files(cell: str) -> list[str]:
    """Return the paths that a row of the table names."""
    return [path for path in re.findall(r"`([^`]+)`", cell) if "/" in path]


def test_the_map_has_the_layers_of_the_import_contract() -> None:
    assert LAYERS == re.findall(r"^  (\w+(?: \| \w+)*)(?: {2,}|$)", TREE, re.MULTILINE)


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if " | " in layer])
def test_every_package_of_a_shared_layer_has_its_sentence(layer: str) -> None:
    for package in layer.split(" | "):
        assert re.search(rf"\b{package}: \w", TREE), package


def test_ten_requests_have_a_row() -> None:
    assert len(REQUESTS) == 10


@pytest.mark.parametrize(("request_", "cell"), REQUESTS, ids=[row[0] for row in REQUESTS])
def test_the_files_of_a_request_exist_or_are_new(request_: str, cell: str) -> None:
    missing = [path for path in named_files(cell) if not (ROOT / path).exists() and not NEW.search(path)]

    assert request_
    assert [] == missing
    assert [] == [path for path in named_files(cell) if not (ROOT / path).parent.exists()]
