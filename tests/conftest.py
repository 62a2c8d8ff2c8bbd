"""Signals, Hypothesis profiles and pictures of failures for every test.

Rules: a property is tried on the same examples in every run, and no database of examples is kept between runs. The
unit tests alone cover branches, because measuring takes longer than the tests; their properties do not, unless the
module is marked with `covers`.
A test is `slow` if it needs a browser, if its file starts programs (Compose and git among them) or runs a verb of the
command, if it is too large to be measured (`no_cover`), or if it is marked so. `make test-fast` leaves these out and
passes --hypothesis-profile=fast; `make test` takes all of them, with the profile `full`, which is loaded here.
"""

import functools
import signal
import subprocess
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from hypothesis import settings
from tests.pictures import keep_pictures

UNIT_TESTS = Path(__file__).parent / "unit"
UNMEASURED = (UNIT_TESTS / "cloison_view",)
"""Tests of what is not in src/cloison."""
SLOW = ("browser", "no_cover")
"""Markers of tests that are slow as well: what is too large to be measured takes seconds without it too."""
COMMAND_LINE = "cloison.cli"
"""What is of this module runs verbs, and most of them run Compose."""

# A shell starts a background job with SIGINT ignored, and children inherit that: a Ctrl-C that a test sends would reach
# none of them.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("full", deadline=None, derandomize=True, database=None)
settings.register_profile("fast", settings.get_profile("full"), max_examples=5)
settings.load_profile("full")


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark slow tests, and leave properties and what is no unit test of src/cloison out of the measurement."""
    of_module = functools.cache(starts_programs)
    for item in items:
        if any(map(item.get_closest_marker, SLOW)) or of_module(getattr(item, "module", None)):
            item.add_marker(pytest.mark.slow)
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if (is_property or not _is_measured(item.path)) and not item.get_closest_marker("covers"):
            item.add_marker(pytest.mark.no_cover)


def starts_programs(module: ModuleType | None) -> bool:
    """Tell whether a test's module, or a module that it has a name of, imports subprocess or the command line."""
    return any(
        COMMAND_LINE in (type(name).__module__, _namespace(name).get("__name__"))
        or any(value is subprocess for value in (name, *_namespace(name).values()))
        for name in _namespace(module).values()
    )


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


def _namespace(name: object) -> Mapping[str, object]:
    match name:
        case FunctionType():
            return name.__globals__
        case ModuleType():
            return vars(name)
    return {}
