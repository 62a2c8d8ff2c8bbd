"""Errors of a request, each with a sentence for the user."""


class InputError(Exception):
    """An input is not valid; `field` names the field of the form to correct."""

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class BusyError(Exception):
    """The queue of password checks of this process is full."""


class RateLimitedError(Exception):
    """A login attempt came too early; `seconds` is the time until the next one is allowed."""

    def __init__(self, seconds: int) -> None:
        unit = "second" if seconds == 1 else "seconds"
        super().__init__(f"Too many attempts. The next one is possible in {seconds} {unit}.")
        self.seconds = seconds
