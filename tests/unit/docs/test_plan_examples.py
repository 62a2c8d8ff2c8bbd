"""Every `cloison plan` of a page prints what the page shows."""

from __future__ import annotations

import re

import pytest
from tests.unit.docs.page_examples import FILE, missing_lines, planned, sessions, text

PAGES = ("quickstart.md", "tutorial.md", "recipes.md")
SESSIONS = [(page, command, lines) for page in PAGES for command, lines in sessions(page)]

FILE_BODIES = dict(FILE.findall(text("quickstart.md")))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_examples(page: str) -> None:
    assert sessions(page)


@pytest.mark.parametrize("page", PAGES)
def test_every_compose_file_of_a_page_is_planned(page: str) -> None:
    planned_files = {word for command, _ in sessions(page) for word in command.split() if word.endswith(".yaml")}

    assert {"grading.yaml"} | planned_files == {"grading.yaml", *dict(FILE.findall(text(page)))}
    assert [] == re.findall(r"^ *```yaml$", text(page), re.MULTILINE)


@pytest.mark.parametrize(("page", "command", "lines"), SESSIONS, ids=[f"{s[0]}: {s[1]}" for s in SESSIONS])
def test_a_plan_of_a_page_prints_what_the_page_shows(page: str, command: str, lines: list[str]) -> None:
    assert [] == missing_lines(lines, planned(page, command))


def test_the_proposal_of_the_quickstart_is_the_one_of_its_plan() -> None:
    found = planned("quickstart.md", "cloison plan -f compose.yaml -f policy.yaml").plan.proposal

    assert found is not None
    assert FILE_BODIES["proposal.yaml"].strip() == found.yaml.strip()


def test_a_line_that_is_not_printed_is_found() -> None:
    command, lines = sessions("quickstart.md")[0]

    assert ["this line is not there"] == missing_lines(
        [*lines, "…", "this line is not there"], planned(PAGES[0], command)
    )
