"""The terminal, the HTML page, the ledger's page and the JSON document show the same counts of one proof."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from flask import Flask
from tests.unit.plan.sample_plans import PLANS
from tests.unit.reports.sample_proofs import PROOFS

from cloison.model.outcome import Outcome, Reach
from cloison.plan.schema import Plan
from cloison.proof.schema import Proof, canonical
from cloison.reports import html, plan_terminal, terminal
from cloison.verdict.judge import Cause, Judgement
from cloison_view.connections import connections
from cloison_view.labels import ACTIONABLE, COUNTED
from cloison_view.page import body
from cloison_view.summary import summarize
from ledger import views
from ledger.views import proof_fragments

Counts = dict[str, dict[str, int]]
"""Unit to the number of each judgement, without zeros."""
WORDS: Final = {word: name for name, word in COUNTED.items()}
LINE: Final = re.compile(
    r"([\d,]+) (flow|connection)s?(?:: | \()((?:[\d,]+ (?:{0}))(?:, [\d,]+ (?:{0}))*)".format("|".join(WORDS))
)
SEEDS: Final = range(5)


def random_proof(seed: int) -> Proof:
    """Return a sample proof whose flows have random observations and judgements."""
    chance, proof = random.Random(seed), PROOFS["ipv6"]()  # noqa: S311  # samples, not secrets
    flows = [
        msgspec.structs.replace(
            flow,
            judgement=(judgement := chance.choice(list(Judgement))),
            cause=chance.choice(list(Cause)) if judgement is Judgement.BREACH else None,
            observed=chance.choice(list(Reach)),
            outcome=chance.choice(list(Outcome)),
            drift=chance.random() < 0.2,
        )
        for flow in proof.flows
        if chance.random() < 0.7
    ]
    words = [flow.judgement.value for flow in flows]
    totals = {name: words.count(name) for name in Judgement} | {"drift": sum(flow.drift for flow in flows)}
    coverage = msgspec.structs.replace(proof.coverage, flows=len(flows), unknown=words.count("unknown"))
    return msgspec.structs.replace(proof, flows=flows, totals=totals, coverage=coverage)


ALL_PROOFS: Final = [
    *(pytest.param(make(), id=name) for name, make in PROOFS.items()),
    *(pytest.param(random_proof(seed), id=f"random {seed}") for seed in SEEDS),
]


@pytest.fixture(scope="module")
def ledger() -> Flask:
    """Return the pages of the ledger without a database."""
    app = Flask("ledger", root_path=str(Path(views.__file__).parent.parent))
    views.init_app(app)
    return app


def read(text: str) -> Counts:
    """Return the counts that a text shows; every place that shows one unit in full shows the same numbers."""
    plain = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", text.replace("</p>", " "))))
    found: dict[str, list[dict[str, int]]] = {}
    for number, unit, parts in LINE.findall(plain):
        counts = {WORDS[word]: _number(n) for n, word in (part.split(" ", 1) for part in parts.split(", "))}
        assert _number(number) == sum(n for name, n in counts.items() if name != "drift")
        found.setdefault(unit, []).append(counts)
    whole = {unit: max(lines, key=lambda counts: sum(counts.values())) for unit, lines in found.items()}
    for unit, lines in found.items():
        assert all(counts.items() <= whole[unit].items() for counts in lines)
    return whole


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(name): number for name, number in counts.items() if number}


def loaded(document: Proof | Plan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(canonical(document))
    return found


@pytest.mark.parametrize("proof", ALL_PROOFS)
def test_every_report_of_a_proof_shows_the_same_counts(proof: Proof, ledger: Flask) -> None:
    document = loaded(proof)
    summary = summarize(document)
    expected = {"flow": without_zeros(proof.totals), "connection": dict(summary.connection_counts)}
    with ledger.test_request_context():
        fragments = (proof_fragments.counts_by_judgement, proof_fragments.action_items)
        page = " ".join(fragment(document, summary) for fragment in fragments)

    assert read(page) == expected
    assert read(terminal.render(proof, color=False, width=10_000, strict=False)) == expected
    assert read(html.render(proof)) == expected
    assert read(body(document, "0" * 64)) == expected


@pytest.mark.parametrize("plan", [pytest.param(make(), id=name) for name, make in PLANS.items()])
def test_every_report_of_a_plan_shows_the_same_counts(plan: Plan) -> None:
    summary = summarize(loaded(plan))
    text = plan_terminal.render(plan, color=False, width=10_000, strict=False)

    assert read(text) == {"flow": without_zeros(plan.totals), "connection": dict(summary.connection_counts)}


@pytest.mark.parametrize("proof", ALL_PROOFS)
def test_the_action_list_counts_the_connections_of_the_matrix(proof: Proof, ledger: Flask) -> None:
    summary = summarize(proof)
    wanted = sum(number for name, number in summary.connection_counts.items() if name in ACTIONABLE)
    with ledger.test_request_context():
        page = proof_fragments.action_items(loaded(proof), summary)
    texts = (html.render(proof), terminal.render(proof, color=False, width=100, strict=False), page)
    shown = [re.search(r"To act on: ([\d,]+) connection", text) for text in texts]

    assert [_number(match[1]) if match else 0 for match in shown] == [wanted] * len(texts)
    cells = re.search(r"Only what needs action \(([\d,]+) connection", html.render(proof))
    assert (_number(cells[1]) if cells else 0) == wanted


@pytest.mark.parametrize("proof", ALL_PROOFS)
def test_a_proof_and_its_json_have_one_summary(proof: Proof) -> None:
    assert summarize(proof).connections == summarize(loaded(proof)).connections


@pytest.mark.parametrize("proof", ALL_PROOFS)
def test_the_connections_by_protocol_fold_into_those_of_the_summary(proof: Proof) -> None:
    by_pair: dict[tuple[str, str, str, int], list[int]] = {}
    for part in connections(loaded(proof)):
        by_pair.setdefault((part.source, part.target, part.protocol if part.port else "", part.port), []).extend(
            part.flows
        )

    assert {
        (c.source, c.end.place, c.end.protocol, c.end.port): list(c.flows) for c in summarize(proof).connections
    } == {key: sorted(flows) for key, flows in by_pair.items()}
