"""What holds for every test."""

import signal

# Whoever starts the tests in the background of a shell leaves SIGINT ignored, and a child inherits that: a Ctrl-C that
# a test sends would then reach nobody.
signal.signal(signal.SIGINT, signal.default_int_handler)
