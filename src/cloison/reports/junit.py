"""The JUnit report: one test case for each line of the policy, each network, and what belongs to neither.

Input: a `Content`. Output: XML as CI systems read it.
Rules: what makes the command exit with 1 is a failure, what makes it exit with 3 an error. Every flow that needs action
is in exactly one case, so the report fails whenever the command does; what does not fail is in `system-out`.
Source: https://github.com/testmoapp/junitxml (the common subset of the readers)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from xml.sax.saxutils import quoteattr

from cloison.reports.content import REACHES, Content
from cloison.reports.failing import DRIFT, fails
from cloison.verdict.judge import Judgement
from cloison_view.action_items import TOLERATE_LINE, TOLERATED
from cloison_view.labels import ACTIONABLE, display_name, pluralize
from cloison_view.summary import Pair

MAX_LINES: Final = 50
"""Connections that one case names; the rest is counted."""
ALLOW_LINE: Final = "x-cloison.allow[{}]"
ELSEWHERE: Final = "published ports, the host and the outside"
"""The case of the flows that no network carries and no line of the policy names."""
NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow: https://www.w3.org/TR/xml/#charsets"""
NOTED: Final = (*ACTIONABLE, TOLERATED)
"""The judgements that a case names."""
FAILURE: Final = "failure"
ERROR: Final = "error"
NOT_FAILING: Final = "does not fail"
NOT_AS_PREDICTED: Final = "{source} to {target} is not as predicted: {predicted} by the file, {observed} when probed"


@dataclass
class Case:
    """A test case: its name, and the sentences about its connections by judgement."""

    suite: str
    name: str
    sentences: dict[str, list[str]] = field(default_factory=dict)
    """By the word for what is wrong."""
    output: list[str] = field(default_factory=list)
    """What is said of a case whether it passes or not."""

    @property
    def element(self) -> str:
        """The element that makes the case fail, empty for a case that passes; a failure wins over an error."""
        if self.sentences.keys() - {Judgement.UNKNOWN}:
            return FAILURE
        return ERROR if self.sentences else ""


def render(content: Content) -> str:
    """Return the document."""
    cases = _cases(content)
    failures, errors = (sum(case.element == kind for case in cases.values()) for kind in (FAILURE, ERROR))
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
        cases[TOLERATE_LINE.format(i)] = Case("policy", f"tolerate[{i}]: {what}", output=[f"tolerated: {why}"])
    cases |= {f"network {part.name}": Case("networks", part.key or part.name) for part in networks}
    cases[ELSEWHERE] = Case("networks", ELSEWHERE)
    _add_flows(content, cases)
    cases["coverage"] = _coverage(content)
    return cases


def _coverage(content: Content) -> Case:
    """Return the case of the coverage; a gap that leaves the document complete is none."""
    case = Case("coverage", "everything was probed")
    gaps = [f"{what}: {why}" for what, why in content.gaps] or ["no flow was judged"]
    if not content.is_complete and Judgement.UNKNOWN in content.failing_words:
        case.sentences[Judgement.UNKNOWN] = gaps
    elif not content.is_complete:
        case.output += [f"{NOT_FAILING}: {gap}" for gap in gaps]
    return case


def _add_flows(content: Content, cases: dict[str, Case]) -> None:
    """Add the sentence of each connection to the cases of its flows."""
    summary = content.summary
    found: dict[tuple[str, str, Pair], int] = {}
    for position in sorted(_noted(content)):
        judgement = summary.records.value(position, "judgement")
        word = judgement if judgement in NOTED else DRIFT
        found.setdefault((_case_of(content, position, cases), word, summary.pair(position)), position)
    for (case, word, (source, end)), position in found.items():
        line = _line(content, position, word, display_name(source), end.label)
        if not content.fails(position):
            cases[case].output += [f"{NOT_FAILING}: {line}"] if word != TOLERATED else []
        else:
            cases[case].sentences.setdefault("breach" if word == TOLERATED else word, []).append(line)


def _noted(content: Content) -> Iterator[int]:
    """Yield the positions of the flows that need action or are tolerated, and of those that fail by their drift."""
    for states in content.summary.states.values():
        for state, held in states.items():
            if state.judgement in NOTED or fails(state.judgement, content.failing_words, drift=state.drift):
                yield from held


def _line(content: Content, position: int, word: str, source: str, target: str) -> str:
    value = partial(content.summary.records.value, position)
    if word == DRIFT:
        sentence = NOT_AS_PREDICTED.format(
            source=source, target=target, predicted=value("predicted"), observed=value("observed")
        )
    else:
        sentence = REACHES[word, content.is_plan].format(source=source, target=target)
    return f"{sentence}: {value('reason')}"


def _case_of(content: Content, position: int, cases: Iterable[str]) -> str:
    flow = content.document.flows[position]
    network = f"network {content.document.endpoints[flow.endpoint].network}"
    return next((name for name in (flow.intended_by, network) if name in cases), ELSEWHERE)


def _suite(content: Content, name: str, cases: list[Case]) -> Iterator[str]:
    failures, errors = (sum(case.element == kind for case in cases) for kind in (FAILURE, ERROR))
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
        sentences = [line for word in (*ACTIONABLE, DRIFT) for line in case.sentences.get(word, ())]
        message = _attribute("; ".join(f"{len(held)} {word}" for word, held in case.sentences.items()))
        yield f"      <{case.element} message={message}>{_lines(sentences)}</{case.element}>"
    if case.output:
        yield f"      <system-out>{_lines(case.output)}</system-out>"
    yield "    </testcase>"


def _lines(sentences: Sequence[str]) -> str:
    hidden = len(sentences) - MAX_LINES
    shown = [*sentences[:MAX_LINES], *([f"and {pluralize(hidden, 'more line')}"] if hidden > 0 else [])]
    return _text("\n".join(shown))


def _attribute(text: str) -> str:
    """Return a text as a quoted attribute, in one line."""
    return quoteattr(NOT_XML.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split())))


def _text(text: str) -> str:
    clean = NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
