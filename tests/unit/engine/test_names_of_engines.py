"""The name of an engine or of its programs is a literal in `engine` and `predict` only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from cloison.engine.select import DAEMONS, ENGINES, PORT_PROXIES

SOURCE: Final = Path(__file__).parents[3] / "src/cloison"
HOMES: Final = ("engine", "predict", "plugin", "docker_plugin.py")
"""Where they are; a plugin of an engine's command line speaks its protocol."""
NAMES: Final = {*ENGINES, *DAEMONS, *PORT_PROXIES, "moby", "containerd", "netavark", "aardvark-dns", "pasta"}
WORD: Final = re.compile(rf"(?<![a-z])({'|'.join(sorted(NAMES, key=len, reverse=True))})(?![a-z])", re.IGNORECASE)
ALLOWED: Final = {
    r"https?://\S+": "a source",
    r"com\.docker\.network\.bridge\.\w+": "an option of a bridge, as a Compose file has it",
    r"/\S+\.sock|/var/lib/docker": "a path that is dangerous to mount, whichever engine runs",
    r"DOCKER_HOST|/var/run/docker\.sock": "the variable and the socket of the helper container",
    r"docker-credential-": "the prefix of programs that keep passwords of registries",
    r"ufw-docker": "another program, whose rules are read",
    r"(\S+\.)?docker\.(io|com)": "a host of Docker's registry",
}
"""Words without a space that contain a name, and the reason; a text with a space is a sentence for a person."""


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the string and bytes literals of a module that are no docstrings, with their lines."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in prose and isinstance(node.value, str | bytes):
            yield node.lineno, node.value if isinstance(node.value, str) else node.value.decode(errors="replace")


def names_in(text: str) -> bool:
    """Whether a literal is a word with an engine's name in it that no reason allows."""
    return " " not in text and bool(WORD.search(text)) and not any(re.fullmatch(word, text) for word in ALLOWED)


def test_no_module_outside_engine_and_predict_has_a_literal_with_an_engines_name() -> None:
    modules = [path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] not in HOMES]
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {text!r}"
        for path in modules
        for line, text in literals(path)
        if names_in(text)
    ]

    assert len(modules) > 50
    assert found == []


@pytest.mark.parametrize("text", ["docker", "podman", "dockerd", "docker-proxy", "/usr/bin/conmon", "Docker"])
def test_a_literal_with_an_engines_name_is_found(text: str) -> None:
    assert names_in(text)


@pytest.mark.parametrize("text", ["the docker engine", "dockerfile", "https://docs.docker.com/", "docker.io"])
def test_a_text_or_an_allowed_word_is_not_found(text: str) -> None:
    assert not names_in(text)
