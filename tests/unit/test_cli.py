"""The modules that the command imports before it runs: few, so that help and usage errors are fast."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cloison.cli import VERBS, LazyGroup, cloison, run

HEAVY = {
    "asyncio",
    "docker",
    "importlib.metadata",
    "msgspec",
    "pyroute2",
    "requests",
    "rich",
    "cloison.predict.predictor",
}
SHOW = """
import sys
from cloison.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


def loaded(*words: str) -> set[str]:
    """Run the command and return the modules that it loaded."""
    done = subprocess.run([sys.executable, "-c", SHOW, *words], check=False, capture_output=True, text=True)
    assert done.returncode in (0, 2), done.stderr
    return {*done.stderr.splitlines()[-1].split()}


@pytest.mark.parametrize("words", [["--help"], ["prvoe"], *([verb, "--help"] for verb in VERBS)], ids=" ".join)
def test_help_loads_nothing_that_works(words: list[str]) -> None:
    assert set() == HEAVY & loaded(*words)


@pytest.mark.parametrize(
    "verb", ["prove", "plan", "rehearse", "publish"]
)  # `up` and `down` pass unknown options to Compose
def test_a_wrong_option_loads_nothing_that_works(verb: str) -> None:
    assert set() == HEAVY & loaded(verb, "--formt")


def test_a_plan_loads_neither_the_engine_nor_the_prober(tmp_path: Path) -> None:
    compose = tmp_path / "compose.yaml"
    compose.write_text("services: {web: {image: x}}")
    found = loaded("plan", "--file", str(compose))

    assert "cloison.plan.planner" in found
    assert set() == found & {"asyncio", "docker", "jinja2", "pyroute2", "requests", "ssl", "urllib3"}


def test_the_package_of_pyroute2_is_loaded_when_one_of_its_names_is_used() -> None:
    loading = (
        "import sys, cloison.linux.pyroute as own, pyroute2; print('pyroute2.ndb.main' in sys.modules); "
        "print(pyroute2.IPRoute is own.IPRoute, pyroute2.NDB.__name__, hasattr(pyroute2, 'nothing'))"
    )
    done = subprocess.run([sys.executable, "-c", loading], check=True, capture_output=True, text=True)

    assert ["False", "True NDB False"] == done.stdout.splitlines()


def test_what_works_is_seen_when_it_is_loaded() -> None:
    assert {"msgspec", "cloison.predict.predictor"} <= loaded("plan", "--file", "/nowhere/compose.yaml")


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_verbs_says_what_their_help_says(verb: str) -> None:
    command = cloison.get_command(cloison.make_context("cloison", ["--help"], resilient_parsing=True), verb)

    assert isinstance(cloison, LazyGroup)
    assert command
    assert (command.help or "").startswith(VERBS[verb])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["porve"], 'cloison: no command "porve" (did you mean "prove"?)'),
        (["repotr", "proof.json"], 'cloison: no command "repotr" (did you mean "report"?)'),
        (["xyz"], f'cloison: no command "xyz"; known names: {", ".join(sorted(VERBS))}'),
        (["plan", "--stict"], "cloison: No such option '--stict'. Did you mean '--strict'?"),
        (["--", "--porve"], "cloison: No such option '--porve'."),
    ],
)
def test_a_misspelt_word_is_answered_with_the_most_similar_one(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run(words)

    assert sentence == capsys.readouterr().err.strip()
