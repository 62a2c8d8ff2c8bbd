"""The examples of a page of the documentation: Compose files, and the output of `cloison plan` for them.

A block "yaml NAME" is a file. A block "text plan" begins with the command, `$ cloison plan -f NAME …`; its other lines
are lines of the report, in their order, contiguous where no line `…` stands between; the last may be `exit CODE`.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # the tests alone read YAML

from cloison.compose import policy as compose_policy
from cloison.compose import project as compose_project
from cloison.model.defaults import DEFAULT_ENGINE_VERSION
from cloison.plan.planner import plan
from cloison.plan.schema import Plan
from cloison.plan.synthetic_facts import Assumptions
from cloison.proof.schema import Tool
from cloison.reports import plan_terminal
from cloison.verdict.judge import Judgement

DOCS: Final = Path(__file__).parents[3] / "docs"
FILE: Final = re.compile(r"^ *```yaml ([\w.-]+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SESSION: Final = re.compile(r"^ *```text plan\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
GAP: Final = "…"
WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Override:
    """A value that replaces the one below it: `!override` of Compose."""

    value: Any


class Loader(yaml.SafeLoader):  # type: ignore[misc]  # the class has no stubs
    """Reads YAML as Compose does, with its tag `!override`."""


def _override(loader: Loader, node: Any) -> Override:
    construct = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return Override(construct(node, deep=True))


Loader.add_constructor("!override", _override)


def text(page: str) -> str:
    """Return a page of the documentation."""
    return (DOCS / page).read_text(encoding="utf-8")


def files(page: str) -> dict[str, Any]:
    """Return the Compose files of a page by their names."""
    return {name: yaml.load(textwrap.dedent(body), Loader) for name, body in FILE.findall(text(page))}  # noqa: S506  # a SafeLoader


def sessions(page: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a page, each with the lines that it prints."""
    found = (textwrap.dedent(block).rstrip("\n") for block in SESSION.findall(text(page)))
    blocks = (re.sub(r" \\\n *", " ", block).split("\n") for block in found)
    return [(command.removeprefix("$ "), lines) for command, *lines in blocks]


def merged(below: Any, above: Any) -> Any:
    """Return what Compose makes of two files: mappings are merged, lists are joined, other values replaced."""
    if isinstance(above, Override):
        return above.value
    if isinstance(below, dict) and isinstance(above, dict):
        return {key: merged(below.get(key), above[key]) if key in above else below[key] for key in {**below, **above}}
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *above]
    return above


def resolved(document: dict[str, Any]) -> dict[str, Any]:
    """Return a Compose file as `docker compose config --format json` prints it, as far as the pages go."""
    services = {name: _service(body) for name, body in document["services"].items()}
    networks = {key: body or {} for key, body in document.get("networks", {}).items()}
    if any("default" in body.get("networks", ()) for body in services.values()):
        networks.setdefault("default", {})
    return {**document, "services": services, "networks": networks}


def _service(body: dict[str, Any]) -> dict[str, Any]:
    forms = {"ports": _port, "volumes": _mount, "devices": _device}
    found = {**body, **{key: [form(item) for item in body[key]] for key, form in forms.items() if key in body}}
    if "network_mode" not in body:
        networks = body.get("networks", ["default"])
        found["networks"] = dict.fromkeys(networks) if isinstance(networks, list) else networks
    return found


def _port(written: str) -> dict[str, Any]:
    """Return a port in Compose's long form: [ADDRESS:]PUBLISHED:TARGET[/PROTOCOL], an IPv6 address in brackets."""
    ports, _, protocol = written.partition("/")
    address, published, target = ["", *ports.rsplit(":", 2)][-3:]
    port = {"target": int(target), "published": published, "protocol": protocol or "tcp"}
    return {**port, "host_ip": address.strip("[]")} if address else port


def _mount(written: str) -> dict[str, Any]:
    """Return a bind mount in Compose's long form: SOURCE:TARGET[:ro]."""
    source, target, *mode = written.split(":")
    return {"type": "bind", "source": source, "target": target, "read_only": mode == ["ro"]}


def _device(written: str) -> dict[str, Any]:
    return {"source": written, "target": written, "permissions": "rwm"}


@dataclass(frozen=True, slots=True)
class Planned:
    """What `cloison plan` prints, and its exit code."""

    plan: Plan
    report: str
    exit_code: int


def planned(page: str, command: str) -> Planned:
    """Return what a command of a page does, without a process: the files are those of the page."""
    words = shlex.split(command)
    assert ["cloison", "plan"] == words[:2]
    options = dict(zip(words[2::2], words[3::2], strict=False))
    strict = "--strict" in words
    found = files(page)
    document: Any = {}
    for name in _values(words, "-f"):
        document = merged(document, found[name])
    project = compose_project.project(resolved(document))
    compose_policy.check_publications(project)
    assumptions = Assumptions(options.get("--engine", DEFAULT_ENGINE_VERSION), options.get("--external", ""))
    made = plan(project, assumptions, Tool("cloison", "0"))
    report = plan_terminal.render(made, color=False, width=WIDTH, strict=strict)
    code = 1 if strict and made.totals[Judgement.TOLERATED] else made.verdict.exit_code
    return Planned(made, report, code)


def _values(words: Sequence[str], option: str) -> Iterator[str]:
    for name, value in pairwise(words):
        if name == option:
            yield value


def missing_lines(expected: Sequence[str], made: Planned) -> list[str]:
    """Return the first lines of a page's output that the command does not print there, or nothing."""
    report = [*(line.rstrip() for line in made.report.splitlines()), f"exit {made.exit_code}"]
    at = 0
    for part in _parts(expected):
        starts = (i for i in range(at, len(report)) if part == report[i : i + len(part)])
        start = next(starts, None)
        if start is None:
            return part
        at = start + len(part)
    return []


def _parts(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield the runs of lines between gaps; the exit code is a run of its own."""
    part: list[str] = []
    for line in lines:
        if line.strip() == GAP or line.startswith("exit "):
            if part:
                yield part
            part = []
        if line.startswith("exit "):
            yield [line]
        elif line.strip() != GAP:
            part.append(line.rstrip())
    if part:
        yield part
