"""The JUnit report: one test case for each line of the policy, each network, and what belongs to neither.

Input: a `Content`. Output: XML as CI systems read it.
Rules: a breach or a broken connection is a failure, an unknown one is an error, a tolerated one passes with its reason
in `system-out`. Every flow that needs action is in exactly one case, so the report fails whenever the command does.
Source: https://github.com/testmoapp/junitxml (the common subset of the readers)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import quoteattr

from cloison.reports.content import REACHES, Content
from cloison_view.action_items import TOLERATE_LINE, TOLERATED
from cloison_view.labels import display_name, pluralize
from cloison_view.summary import Pair

MAX_LINES: Final = 50
"""Connections that one case names; the rest is counted."""
ALLOW_LINE: Final = "x-cloison.allow[{}]"
ELSEWHERE: Final = "published ports, the host and the outside"
"""The case of the flows that no network carries and no line of the policy names."""
NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow: https://www.w3.org/TR/xml/#charsets"""
ELEMENTS: Final = {"breach": "failure", "broken": "failure", "unknown": "error"}
"""The element of a judgement."""


@dataclass
class Case:
    """A test case: its name, and the sentences about its connections by judgement."""

    suite: str
    name: str
    sentences: dict[str, list[str]] = field(default_factory=dict)
    output: str = ""
    """What a case that passes says."""

    @property
    def element(self) -> str:
        """The element that makes the case fail, empty for a case that passes; a failure wins over an error."""
        found = {ELEMENTS[judgement] for judgement in self.sentences}
        return "failure" if "failure" in found else "error" if found else ""


def render(content: Content) -> str:
    """Return the document."""
    cases = _cases(content)
    failures, errors = (sum(case.element == kind for case in cases.values()) for kind in ("failure", "error"))
    suites: dict[str, list[Case]] = {}
    for case in cases.values():
        suites.setdefault(case.suite, []).append(case)
    name = f"cloison {content.kind} of {content.project}"
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f'<testsuites name={_attribute(name)} tests="{len(cases)}" failures="{failures}" errors="{errors}">')
    for suite, held in suites.items():
        lines += _suite(content, suite, held)
    return "\n".join([*lines, "</testsuites>", ""])


def _cases(content: Content) -> dict[str, Case]:
    """Return the cases by the line of the policy or the network that they are about."""
    policy, networks = content.document.policy, content.document.project.networks
    cases = {
        ALLOW_LINE.format(i): Case("policy", f"allow[{i}]: {text}")
        for i, text in enumerate(policy.allow if policy else ())
    }
    for i, (what, why) in enumerate(content.summary.records.tolerations):
        cases[TOLERATE_LINE.format(i)] = Case("policy", f"tolerate[{i}]: {what}", output=f"tolerated: {why}")
    cases |= {f"network {part.name}": Case("networks", part.key or part.name) for part in networks}
    cases[ELSEWHERE] = Case("networks", ELSEWHERE)
    _add_flows(content, cases)
    cases["coverage"] = Case("coverage", "everything was probed", _gaps(content))
    return cases


def _gaps(content: Content) -> dict[str, list[str]]:
    """Return the gaps of the coverage; a gap that leaves the document complete is none."""
    gaps = [f"{what}: {why}" for what, why in content.gaps] or ["no flow was judged"]
    return {} if content.is_complete else {"unknown": gaps}


def _add_flows(content: Content, cases: dict[str, Case]) -> None:
    """Add the sentence of each connection to the cases of its flows."""
    summary = content.summary
    judgements = (*ELEMENTS, TOLERATED) if content.strict else tuple(ELEMENTS)
    found: dict[tuple[str, str, Pair], int] = {}
    for position in summary.positions_where(*judgements):
        judgement = summary.records.value(position, "judgement")
        found.setdefault((_case_of(content, position, cases), judgement, summary.pair(position)), position)
    for (case, judgement, (source, end)), position in found.items():
        sentence = REACHES[judgement, content.is_plan].format(source=display_name(source), target=end.label)
        line = f"{sentence}: {summary.records.value(position, 'reason')}"
        failed = "breach" if judgement == TOLERATED else judgement
        cases[case].sentences.setdefault(failed, []).append(line)


def _case_of(content: Content, position: int, cases: Iterable[str]) -> str:
    flow = content.document.flows[position]
    network = f"network {content.document.endpoints[flow.endpoint].network}"
    return next((name for name in (flow.intended_by, network) if name in cases), ELSEWHERE)


def _suite(content: Content, name: str, cases: list[Case]) -> Iterator[str]:
    failures, errors = (sum(case.element == kind for case in cases) for kind in ("failure", "error"))
    counts = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="0"'
    yield f"  <testsuite name={_attribute(name)} {counts}>"
    for case in cases:
        yield from _case(f"cloison.{content.kind}.{content.project}.{name}", case)
    yield "  </testsuite>"


def _case(class_name: str, case: Case) -> Iterator[str]:
    opening = f"    <testcase classname={_attribute(class_name)} name={_attribute(case.name)}"
    if not case.element and not case.output:
        yield f"{opening}/>"
        return
    yield f"{opening}>"
    if case.element:
        sentences = [line for judgement in ELEMENTS for line in case.sentences.get(judgement, ())]
        message = _attribute("; ".join(f"{len(held)} {word}" for word, held in case.sentences.items()))
        hidden = len(sentences) - MAX_LINES
        shown = [*sentences[:MAX_LINES], *([f"and {pluralize(hidden, 'more line')}"] if hidden > 0 else [])]
        yield f"      <{case.element} message={message}>{_text(chr(10).join(shown))}</{case.element}>"
    if case.output:
        yield f"      <system-out>{_text(case.output)}</system-out>"
    yield "    </testcase>"


def _attribute(text: str) -> str:
    """Return a text as a quoted attribute, in one line."""
    return quoteattr(NOT_XML.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split())))


def _text(text: str) -> str:
    clean = NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
