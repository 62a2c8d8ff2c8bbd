"""The JSON Schema of the policy accepts what the policy accepts, and refuses what a schema can refuse."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from referencing import Registry, Resource
from tests.property.document_strategies import ARROWS
from tests.unit.docs.test_policy_page import BLOCKS, ERRORS, FLOWS
from tests.unit.plan.public_shapes import SHAPES

from cloison import cli
from cloison.compose.flow_rule import Names, parse_flow
from cloison.compose.policy import POLICY_KEYS, TOLERATION_KEYS
from cloison.compose.policy_schema import COMPOSE_SCHEMA, POLICY_TEXTS, TOLERATION_TEXTS, policy_schema
from cloison.compose.project import Project, Service
from cloison.errors import PolicyError
from cloison.reports.json_schema import render

DOCS: Final = Path(__file__).parents[3] / "docs"
COMPOSE: Final = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "required": ["services"]}
"""It stands for the schema of the Compose specification, which no test fetches."""
NEEDS_NAMES: Final = (
    "no service", "no network", "publishes no port", "matches no flow", "names a place already", "is not a range",
    '"via" belongs', "is not on the network", "has no ports in a policy", "belongs after the last port",
    "write the ports of each", "is not a service",
)  # fmt: skip
"""Parts of the errors for which a name or a number has to be known."""


@cache
def validator() -> Any:
    registry: Any = Registry().with_resource(COMPOSE_SCHEMA, Resource.from_contents(COMPOSE))
    jsonschema.Draft7Validator.check_schema(policy_schema())
    return jsonschema.Draft7Validator(policy_schema(), registry=registry)


def is_valid(rules: Any) -> bool:
    return bool(validator().is_valid({"services": {}, "x-cloison": rules}))


def test_the_published_schema_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    published = (DOCS / "x-cloison.schema.json").read_text()

    assert published == render("x-cloison"), (
        "python -m cloison.reports.json_schema x-cloison > docs/x-cloison.schema.json"
    )
    assert 0 == cli.run(["policy", "schema"])
    assert published == capsys.readouterr().out


def test_every_key_of_the_policy_is_described() -> None:
    assert POLICY_KEYS == POLICY_TEXTS.keys()
    assert TOLERATION_KEYS == TOLERATION_TEXTS.keys()


def test_the_examples_of_the_page_are_valid() -> None:
    assert is_valid(yaml.safe_load(BLOCKS["policy"])["x-cloison"])
    assert all(is_valid({"allow": [text]}) for text in FLOWS)
    assert all(is_valid(shape["x-cloison"]) for shape in SHAPES.values())


def test_the_examples_of_the_schema_are_valid() -> None:
    schema = policy_schema()["definitions"]["flow"]

    assert all(re.search(schema["pattern"], text) for text in schema["examples"])


@pytest.mark.parametrize(("policy", "sentence"), ERRORS)
def test_an_error_of_the_page_is_refused_where_no_name_has_to_be_known(policy: str, sentence: str) -> None:
    needs_names = any(part in sentence for part in NEEDS_NAMES) and "separate names by commas" not in sentence

    assert needs_names == is_valid(yaml.safe_load(f"{{{policy}}}")), sentence


@pytest.mark.parametrize(
    "rules",
    [
        None,
        {"tolerate": [{"flow": "a -> b", "network": "n", "why": "both"}]},
        {"tolerate": [{"flow": "a -> b", "why": " "}]},
        {"tolerate": [{"flow": "a -> b", "why": 20.1}]},
        {"tolerate": [{"why": "nothing"}]},
        {"tolerate": ["a -> b"]},
        {"groups": {"host": ["a"]}},
    ],
)
def test_a_policy_of_another_shape_is_refused(rules: Any) -> None:
    assert not is_valid(rules)


def test_the_compose_specification_is_part_of_the_schema() -> None:
    assert not validator().is_valid({"x-cloison": {}})
    assert validator().is_valid({"services": {}})


PLACES: Final = ("a", "b.c", "d_e-f", "0")
NAMES: Final = st.sampled_from([*PLACES, "host", "outside", "*", "stranger:x y", "service:a"])
PORTS: Final = st.sampled_from(["", ":80", ": 80 - 90 /udp", ":80,443", ":80, 90-99/sctp", ":080"])
FLOW_TEXTS: Final = st.builds(
    "{}{}->{}{}{}{}{}".format,
    st.lists(NAMES, min_size=1, max_size=2).map(" , ".join),
    st.sampled_from(["", " "]),
    st.sampled_from(["", " "]),
    NAMES,
    PORTS,
    st.sampled_from(["", ",a:1", ", b.c:2/udp"]),
    st.sampled_from(["", " "]),
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
@given(FLOW_TEXTS | ARROWS)
def test_the_schema_refuses_no_flow_that_the_policy_accepts(text: str) -> None:
    project = Project("shop", {name: Service(name) for name in PLACES}, {})
    try:
        parse_flow(Names(project, {}), text, "here")
    except PolicyError:
        return
    assert is_valid({"allow": [text]}), json.dumps(text)
