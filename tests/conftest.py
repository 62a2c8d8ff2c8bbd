"""Signals and Hypothesis profiles for every test.

Rules: a property is tried on the same examples in every run, and no database of examples is kept between runs. It
covers no branch, because measuring takes longer than the examples, unless its module is marked with `covers`.
`make test` uses the profile `full`, which is loaded here; `make test-fast` passes --hypothesis-profile=fast.
"""

import signal
from collections.abc import Iterable

import pytest
from hypothesis import settings

# A shell starts a background job with SIGINT ignored, and children inherit that: a Ctrl-C that a test sends would reach
# none of them.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("full", deadline=None, derandomize=True, database=None)
settings.register_profile("fast", settings.get_profile("full"), max_examples=5)
settings.load_profile("full")


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Leave the tests of properties out of the measurement of branches."""
    for item in items:
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if is_property and not item.get_closest_marker("covers"):
            item.add_marker(pytest.mark.no_cover)
