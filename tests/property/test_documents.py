"""The core ends with a result or with one error with a position, whatever a Compose file contains."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.property.core_pipeline import FuzzParameters, check_sentence, error_of
from tests.property.document_example import DOCUMENTS, PARAMETERS, check
from tests.property.document_strategies import JSON, documents

from cloison.engine import compose_cli
from cloison.engine.compose_cli import Selection
from cloison.errors import FileError
from cloison.remote.protocol import error_response

GENERATE_ONLY = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck], phases=[Phase.generate]
)
IS_FAST = settings.get_current_profile_name() == "fast"
pytestmark = pytest.mark.no_cover
ALWAYS = {"passed", "FileError", "PolicyError"}


def test_every_document_ends_with_a_result_or_an_expected_error() -> None:
    met: Counter[str] = Counter()

    @settings(GENERATE_ONLY, max_examples=12 if IS_FAST else 80)
    @given(DOCUMENTS, PARAMETERS)
    def example(document: dict[str, Any], parameters: FuzzParameters) -> None:
        met.update(check(document, parameters))

    example()

    assert ALWAYS == met.keys()
    # The share of the few examples of the profile `fast` says little.
    assert met["passed"] > met.total() / 5 or met.total() < 200, f"examples that are refused at once try little: {met}"


@settings(GENERATE_ONLY, max_examples=20 if IS_FAST else 200)
@given(JSON, PARAMETERS)
def test_a_value_that_is_no_document_ends_with_an_expected_error(body: Any, parameters: FuzzParameters) -> None:
    assert isinstance(error_of(body, parameters), FileError)


@pytest.mark.parametrize(
    "said",
    ["no place", "services.a: one line\nand another", 'services.a: no service "x"; and nothing that is known'],
)
def test_an_unhelpful_error_is_detected(said: str) -> None:
    with pytest.raises(AssertionError):
        check_sentence(said)


# ── with Compose itself ──────────────────────────────────────────────────────────────────────────────────


def resolved(folder: Path, text: str) -> str:
    """Resolve a file with Compose, send the output through the core, and return the result."""
    file = folder / "compose.yaml"
    file.write_text(text, encoding="utf-8", errors="replace")
    said, document = "", dict[str, Any]()
    try:
        document |= compose_cli.resolved(Selection(files=(str(file),), project="shop"))
    except FileError as error:
        said = str(error)
    if said:
        assert said.isprintable()
        assert said.startswith("the Compose file cannot be resolved: ")
        return "Compose"
    refused = error_of(document, FuzzParameters())
    return error_response(refused).kind if refused else "passed"


def test_a_file_that_compose_accepts_is_read_and_a_refusal_is_reported(tmp_path: Path) -> None:
    met: set[str] = set()

    @settings(GENERATE_ONLY, max_examples=4 if IS_FAST else 12)
    @given(documents(), st.booleans())
    def example(document: dict[str, Any], spread: bool) -> None:
        met.add(resolved(tmp_path, json.dumps(document, indent=2 if spread else None, ensure_ascii=False)))

    example()

    assert {"Compose", "passed"} <= met


IMAGE = "services: {a: {image: x}}\n"


@pytest.mark.parametrize(
    ("text", "came"),
    [
        ("", "Compose"),
        ("services: [", "Compose"),
        ("\x00", "Compose"),
        ("services: {a: {image: x, network_mode: lent}}", "FileError"),
        ("services: {a: {image: x, network_mode: default, expose: [80/TCP]}}", "passed"),
        ("services: {a: {image: x, scale: 20000}}", "FileError"),
        ("services: {a: {image: x, expose: [80/quic]}}", "FileError"),
        ("services: {a: {image: x, ports: ['[::1]:80:80', '8000-8002:80', '127.0.0.1::80/udp']}}", "passed"),
        (IMAGE + "x-cloison: {allow: [&one 'outside -> a', *one], 1: 2}", "Compose"),
        (IMAGE + "x-cloison: {allow: [&one 'outside -> a', *one], on: 2}", "PolicyError"),
        (IMAGE + "x-cloison: !!binary aGk=", "PolicyError"),
        (IMAGE + "x-cloison: 2026-01-01", "PolicyError"),
        (IMAGE + "x-cloison: {allow: [.inf, 0x10, 1e400]}", "Compose"),
        (IMAGE + 'x-cloison: {tolerate: [{flow: "* -> *", why: "\\e[31m\\u2028\\0"}]}', "passed"),
        (IMAGE + "x-cloison: " + "[" * 500 + "]" * 500, "PolicyError"),
        (IMAGE + "x-cloison: " + "[" * 1100 + "]" * 1100, "Compose"),
    ],
)
def test_an_unusual_file_ends_with_the_right_exit_code(tmp_path: Path, text: str, came: str) -> None:
    assert came == resolved(tmp_path, text)
