"""The base images are named by digest, and a tag has one digest wherever it is named."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DEFAULT = re.compile(
    r"(?:\$\{CLOISON_(?:DB|PROXY|PYTHON)_IMAGE:-|^ARG (?:PYTHON|DOCKER)_IMAGE=)([^}\n]+)", re.MULTILINE
)
REFERENCE = re.compile(r"([a-z]+:[a-z0-9.-]+)@(sha256:[0-9a-f]{64})")
FILES = {"compose.yml": 3, "app/Dockerfile": 1, "images/cloison/Dockerfile": 2}


@pytest.mark.parametrize("name", FILES)
def test_each_default_is_a_tag_with_its_digest(name: str) -> None:
    found = DEFAULT.findall((ROOT / name).read_text(encoding="utf-8"))

    assert len(found) == FILES[name]
    assert [one for one in found if not REFERENCE.fullmatch(one)] == []


def test_a_tag_has_one_digest() -> None:
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in FILES)
    found = set(REFERENCE.findall("\n".join(DEFAULT.findall(text))))

    assert len(found) == len({tag for tag, _ in found}) == 4
