"""Every test of the repository is in exactly one lane of `make test`; `make test-fast` leaves slow ones out."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import ModuleType

import flask
import pytest
from tests.conftest import starts_programs

import cloison
from cloison import cli
from cloison.linux import subprocesses

ROOT = Path(__file__).parents[2]
LANE = re.compile(r'^  \[([a-z]+)\]="(tests/[^"]*)"', re.MULTILINE)
ORDER = re.compile(r"^readonly LANES=\(([a-z ]+)\)$", re.MULTILINE)


def lanes() -> dict[str, list[Path]]:
    """Return the paths of each lane, in the order of the lanes."""
    script = (ROOT / "setup" / "test.sh").read_text()
    found = {name: [ROOT / word for word in words.replace("\\\n", " ").split()] for name, words in LANE.findall(script)}
    (order,) = ORDER.findall(script)
    assert found.keys() == set(order.split())
    return {name: found[name] for name in order.split()}


def test_every_test_is_in_a_lane() -> None:
    named = [path for paths in lanes().values() for path in paths]

    for path in named:
        assert path.exists(), path
    for test in (ROOT / "tests").rglob("test_*.py"):
        assert any(test.is_relative_to(path) for path in named), test


def test_every_test_runs_once() -> None:
    """A lane leaves out the paths below its own that another one names."""
    named = [path for paths in lanes().values() for path in paths]

    assert len(set(named)) == len(named)
    for paths in lanes().values():
        assert [] == [path for path in paths if any(path.is_relative_to(other) for other in paths if other != path)]


@pytest.mark.parametrize(
    ("name", "slow"),
    [
        (subprocess, True),
        (subprocesses, True),  # a module, and below a function of it
        (subprocesses.run, True),
        (cli, True),
        (cli.cloison, True),
        (cloison, False),
        (re.compile, False),
    ],
)
def test_a_test_whose_file_starts_programs_or_runs_a_verb_is_slow(name: object, *, slow: bool) -> None:
    module = ModuleType("test_sample")
    vars(module)["name"] = name

    assert slow is starts_programs(module)


def test_nothing_is_asked_of_what_a_test_imports() -> None:
    """Flask's proxies raise an error whatever one asks of them outside of an application."""
    module = ModuleType("test_sample")
    vars(module)["name"] = flask.g

    assert not starts_programs(module)
