"""Somebody who reviews pull requests, with the lines of README.md: what passes, what fails, what the reports say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.e2e.people.newcomer import Newcomer
from tests.e2e.people.readme_blocks import PEOPLE, blocks, lines

MOST_COMMANDS: Final = 8
IDENTITY: Final = "-c user.name=somebody -c user.email=somebody@example.test"
COMPOSE: Final = """\
services:
  db: {image: db, expose: ["3306"], networks: [back]}
  app: {image: app, expose: ["5000"], networks: [back, front]}
networks: {front: {}, back: {internal: true}}
"""
OPENED: Final = COMPOSE.replace('expose: ["5000"]', 'ports: ["5000:5000"]')
OWN_POLICY: Final = (
    OPENED
    + """\
x-cloison:
  tolerate: [{flow: "* -> *, host, outside", why: fine}, {flow: "outside -> *", why: fine}]
"""
)
POLICY: Final = """\
allow: [app -> db:3306]
tolerate:
  - {network: back, why: Docker has no policy inside a network}
  - {flow: "* -> host", why: containers reach the addresses of their host}
  - {flow: app -> outside, why: it fetches mail}
"""
LOOSENED: Final = POLICY + "  - {flow: outside -> app, why: fine}\n"


@dataclass(frozen=True, slots=True)
class Review:
    """A clone of a repository whose main branch has the Compose file, the policy and the baseline."""

    person: Newcomer
    clone: Path

    def line(self, part: str) -> str:
        """Return the one line of README.md with these words."""
        (found,) = (line for line in lines(blocks(PEOPLE, "sh")[1]) if part in line)
        return found

    def change(self, files: Mapping[str, str | None]) -> None:
        """Commit a change on a branch of its own; None removes a file."""
        for name, text in files.items():
            if text is None:
                (self.clone / name).unlink()
            else:
                (self.clone / name).write_text(text)
        git(self.person, self.clone, "checkout -q -b change && git commit -q -a -m change")

    def gate(self) -> tuple[int, str]:
        """Run the lines for each change, and return the exit code of the last and what it says."""
        self.person.succeed(self.line("git checkout"), self.clone)
        return self.plan()

    def plan(self) -> tuple[int, str]:
        """Run the line that decides, and return its exit code and what it says."""
        done = self.person.run(self.line("--baseline"), self.clone)
        return done.returncode, done.stdout + done.stderr

    def reports(self) -> tuple[str, Any]:
        """Run the line for the reports, and return the comment and the results of SARIF."""
        self.person.succeed(self.line("sarif"), self.clone)
        sarif = json.loads((self.clone / "reports/plan.sarif").read_text())
        return (self.clone / "reports/plan.md").read_text(), sarif["runs"][0]["results"]


def git(person: Newcomer, folder: Path, words: str) -> None:
    """Run git, which is no line of README.md, as somebody with a name."""
    before = person.commands
    person.succeed(f'git() {{ command git {IDENTITY} "$@"; }}; git {words}', folder)
    person.commands = before


@pytest.fixture
def review(person: Newcomer, folder: Path) -> Review:
    """The clone, after the line that is run once."""
    origin, clone = folder / "origin", folder / "shop"
    origin.mkdir()
    git(person, origin, "init -q --bare -b main")
    git(person, folder, "clone -q origin shop 2>/dev/null")
    (clone / "compose.yml").write_text(COMPOSE)
    (clone / "policy.yml").write_text(POLICY)
    made = Review(person, clone)
    git(person, clone, "checkout -q -b main")
    person.succeed(made.line("baseline.json --fail-on none"), clone)
    git(person, clone, "add . && git commit -q -m main")
    git(person, clone, "push -q origin main")
    return made


def test_the_main_branch_and_a_harmless_change_pass(review: Review) -> None:
    assert (0, "SOUND") == (review.gate()[0], review.plan()[1].split()[0])

    review.change({"compose.yml": COMPOSE.replace("image: app", "image: app:2")})
    code, said = review.gate()

    assert 0 == code, said
    review.person.report(MOST_COMMANDS)


def test_a_change_that_opens_a_port_fails_and_the_reports_say_it(review: Review) -> None:
    review.change({"compose.yml": OPENED})

    code, said = review.gate()
    comment, results = review.reports()

    assert 1 == code, said
    assert "outside -> app:5000" in said
    assert comment.startswith("### ❌ BREACHED")
    assert "outside → app:5000" in comment
    errors = [result for result in results if result["level"] == "error"]
    assert any("outside would reach app:5000" in error["message"]["text"] for error in errors)
    (place,) = {error["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for error in errors}
    assert "compose.yml" == place
    assert {3} == {error["locations"][0]["physicalLocation"]["region"]["startLine"] for error in errors}
    review.person.report(MOST_COMMANDS)


@pytest.mark.parametrize(
    "files",
    [
        {"compose.yml": OWN_POLICY},
        {"compose.yml": OPENED, "policy.yml": LOOSENED},
        {"compose.yml": OPENED, "policy.yml": None, "baseline.json": None},
    ],
    ids=["a policy in the Compose file", "a looser policy", "no policy and no baseline"],
)
def test_a_change_that_brings_its_own_judgement_fails_as_well(review: Review, files: Mapping[str, str | None]) -> None:
    review.change(files)

    code, said = review.gate()

    assert 1 == code, said
    assert "outside -> app:5000" in said


def test_a_policy_that_is_gone_is_an_error(review: Review) -> None:
    review.change({"policy.yml": None})

    code, said = review.plan()

    assert (2, True) == (code, "policy.yml: the file could not be read" in said)
