"""Signals, Hypothesis profiles and pictures of failures for every test.

Rules: a property is tried on the same examples in every run, and no database of examples is kept between runs. The
unit tests alone cover branches, because measuring takes longer than the tests; their properties do not, unless the
module is marked with `covers`.
`make test` uses the profile `full`, which is loaded here; `make test-fast` passes --hypothesis-profile=fast.
"""

import signal
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest
from hypothesis import settings
from tests.pictures import keep_pictures

UNIT_TESTS = Path(__file__).parent / "unit"
UNMEASURED = (UNIT_TESTS / "cloison_view",)
"""Tests of what is not in src/cloison."""

# A shell starts a background job with SIGINT ignored, and children inherit that: a Ctrl-C that a test sends would reach
# none of them.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("full", deadline=None, derandomize=True, database=None)
settings.register_profile("fast", settings.get_profile("full"), max_examples=5)
settings.load_profile("full")


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Leave properties, and what is no unit test of src/cloison, out of the measurement of branches."""
    for item in items:
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if (is_property or not _is_measured(item.path)) and not item.get_closest_marker("covers"):
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a picture of what the browser shows when a test fails."""
    report = yield
    if call.when == "call" and report.failed and item.get_closest_marker("browser"):
        kept = keep_pictures(item.name, getattr(item, "funcargs", {}))
        report.sections.append(("pictures", "\n".join(map(str, kept))))
    return report


def _is_measured(file: Path) -> bool:
    return file.is_relative_to(UNIT_TESTS) and not any(map(file.is_relative_to, UNMEASURED))
