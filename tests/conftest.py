"""Signals and Hypothesis profiles for every test.

Rule: a property is tried on the same examples in every run, and no database of examples is kept between runs.
`make test` uses the profile `full`, which is loaded here; `make test-fast` passes --hypothesis-profile=fast.
"""

import signal

from hypothesis import settings

# A shell starts a background job with SIGINT ignored, and children inherit that: a Ctrl-C that a test sends would reach
# none of them.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("full", deadline=None, derandomize=True, database=None)
settings.register_profile("fast", settings.get_profile("full"), max_examples=5)
settings.load_profile("full")
