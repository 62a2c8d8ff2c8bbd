"""Somebody who hosts a few projects, with the lines of README.md, from an empty home to a proof of the own project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML
from tests.e2e.people.newcomer import Newcomer
from tests.e2e.people.readme_blocks import INTRODUCTION, PEOPLE, blocks, lines
from tests.integration.compose_project import Lab, service
from tests.integration.project_fixtures import build, labs

pytestmark = pytest.mark.engine
MOST_COMMANDS: Final = 7
"""The installation, three lines for every project, and three for the own one."""
MOST_SECONDS: Final = 120
CODES: Final = {"PROVEN": {0}, "AS DRAWN": {0}, "BREACHED": {1}, "NOT PROVEN": {2, 3}}
SHOP: Final[Mapping[str, Any]] = {
    "services": {
        "proxy": service(80, networks=["backend"], ports=["80"], depends_on=["app"]),
        "app": service(
            5000, networks=["backend"], expose=["5000"], environment={"DATABASE_URL": "mysql://shop@db:3306/shop"}
        ),
        "db": service(3306, networks=["backend"]),
    },
    "networks": {"backend": {}},
}
"""The project that README.md describes: a proxy, an application and a database on one network."""
NOTES: Final[Mapping[str, Any]] = {
    "services": {"web": service(80, networks=["inside"])},
    "networks": {"inside": {"internal": True}},
    "x-cloison": {"tolerate": [{"flow": "* -> host", "why": "containers reach the addresses of their host"}]},
}


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Lab]]:
    """Two projects that run: the shop without a policy, whose file is YAML, and notes with one."""
    build()
    parent = tmp_path_factory.mktemp("projects")
    for shop in labs(parent, "shop"):
        for notes in labs(parent, "notes"):
            shop.up(dict(SHOP))
            notes.up(dict(NOTES))
            yield shop, notes


def test_every_project_is_listed_and_proven(person: Newcomer, projects: tuple[Lab, Lab], folder: Path) -> None:
    shop, notes = projects
    listing, proving, helping = lines(blocks(PEOPLE, "sh")[0])

    listed = person.succeed(listing, folder)
    proven = person.run(proving, folder)
    helped = person.succeed(helping, folder)

    rows = {words[0]: words[1:] for words in map(str.split, listed.splitlines())}
    assert ["3/3", "no", str(shop.folder / "compose.json")] == rows[shop.name]
    assert ["1/1", "yes", str(notes.folder / "compose.json")] == rows[notes.name]
    verdicts = {name: word for word, name in re.findall(r"^([A-Z ]+?)  (\S+): ", proven.stdout, re.MULTILINE)}
    assert ("AS DRAWN", "PROVEN") == (verdicts[shop.name], verdicts[notes.name]), person.said[-2]
    codes = [CODES[word] for word in verdicts.values()]  # other projects may run on this engine
    assert proven.returncode in next(code for code in ({1}, {2, 3}, {0}) if code in codes)
    assert "Prove which services of a running project can reach each other." in helped
    person.report(MOST_COMMANDS)


def test_the_own_project_is_proven_in_three_lines_with_the_output_of_the_readme(
    person: Newcomer, projects: tuple[Lab, Lab]
) -> None:
    shop, _ = projects
    (shop.folder / "compose.yml").write_text(yaml.safe_dump({"name": shop.name, **SHOP}, sort_keys=False))
    (shown_policy,), (shown_proof,) = blocks(INTRODUCTION, "yaml"), blocks(INTRODUCTION, "text")
    drafting, planning, proving = lines(blocks(INTRODUCTION, "sh")[1])

    person.succeed(drafting, shop.folder)
    plan = person.succeed(planning, shop.folder)
    proof = person.succeed(proving, shop.folder)

    assert masked(shown_policy) == masked((shop.folder / "compose.yml").read_text())[-len(masked(shown_policy)) :]
    assert ["SOUND", shop.name] == plan.split()[:2]
    shown = without_host(shown_proof)
    printed = without_host(proof.replace(shop.name, "shop"))
    assert shown[:-1] == printed[: len(shown) - 1]
    assert shown[-1:] == printed[-1:]
    person.report(MOST_COMMANDS)
    assert person.seconds <= MOST_SECONDS


def masked(text: str) -> str:
    """Return a text without what differs from machine to machine: how many addresses, and so flows, the host has."""
    return re.sub(r"\d+ (?=flows|connections)", "N ", text)


def without_host(report: str) -> list[str]:
    """Return the lines of a report without versions, times and counts, and without the host's own ports."""
    found = []
    for line in report.splitlines():
        parts = re.split(r"([│┼])", line)
        if len(parts) == 11:  # the first column, then five with the lines between them
            parts[8] = " ".join(sorted(set(parts[8].split()) & {"(open)"}))
        text = re.sub(r"docker \S+", "docker", "".join(parts))
        found.append(re.sub(r"\d+(\.\d+)?(?= (s|flows|connections|of them|tolerated|not judged|hold)\b)", "N", text))
    return found
