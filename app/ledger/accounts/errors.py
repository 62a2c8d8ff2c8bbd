"""What is refused with a sentence that its reader can act on."""


class InputError(Exception):
    """What was asked is not done; `field` names the field of the form that is to be mended."""

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class BusyError(Exception):
    """More passwords are to be checked than this process has room for."""


class RateLimitedError(Exception):
    """An attempt came before its time."""

    def __init__(self, seconds: int) -> None:
        unit = "second" if seconds == 1 else "seconds"
        super().__init__(f"Too many attempts. The next one is possible in {seconds} {unit}.")
        self.seconds = seconds
