"""Which lines of the policy are in use is the same in every report, from JSON and from the prober's structs."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace
from tests.unit.cloison_view.sample_documents import document
from tests.unit.reports.sample_proofs import PROOFS

from cloison.proof.schema import UsePart, canonical
from cloison_view.advice import proof_advice
from cloison_view.folded_advice import folded_advice
from cloison_view.policy_use import LineUse, policy_use
from cloison_view.summary import summarize


def used(*parts: dict[str, Any]) -> list[LineUse]:
    return policy_use({**document("holds"), "in_use": [*parts]})


def test_a_line_is_in_use_where_a_connection_stood_at_one_of_its_flows() -> None:
    found = used({"source": "app", "target": "db", "protocol": "tcp", "port": 3306, "connections": 2})

    assert ["app -> db: app -> db:3306: 2 connections"] == [
        f"{line.text}: {of}" for line in found for of in line.used_by
    ]


def test_a_toleration_keeps_its_reason() -> None:
    found = policy_use(
        {
            **document("tolerated"),
            "in_use": [{"source": "proxy", "target": "outside", "protocol": "tcp", "port": 0, "connections": 1}],
        }
    )

    (line,) = (line for line in found if line.used_by)
    assert line.is_toleration
    assert line.why
    assert ("proxy -> outside: 1 connection",) == line.used_by


def test_a_proof_whose_connections_were_not_read_says_nothing() -> None:
    assert [] == policy_use(document("holds"))
    assert [] == policy_use({**document("no-policy"), "in_use": []})


def test_structs_and_json_say_the_same() -> None:
    proof = replace(PROOFS["holds"](), in_use=[UsePart("app", "db", "tcp", 3306, 1)])

    assert policy_use(proof) == policy_use(json.loads(canonical(proof)))


def test_structs_and_json_give_the_same_advice() -> None:
    for name in PROOFS:
        proof, loaded = PROOFS[name](), document(name)
        count = len(loaded["flows"])
        for of_structs, of_json in (
            (folded_advice(proof, summarize(proof)), folded_advice(loaded, summarize(loaded))),
            (proof_advice(proof), proof_advice(loaded)),
        ):
            assert [of_structs(i) for i in range(count)] == [of_json(i) for i in range(count)]
