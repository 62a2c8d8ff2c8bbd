"""Finds passwords that attackers try first: those of leaked lists, and what is made of them by habit.

The lists are those of zxcvbn (MIT licence): the 30,000 most frequent passwords of published leaks, the most frequent
English words, and names; its method is described in D. Wheeler, "zxcvbn: Low-Budget Password Strength Estimation",
USENIX Security 2016. It also finds a listed password with capitals, digits for letters, a year or a sign added, or
repeated, dates, and rows of keys. Nothing leaves the machine.
"""

from typing import Final

from zxcvbn import zxcvbn

MIN_SCORE: Final = 4  # the highest of zxcvbn's five: more than 10**10 guesses
MIN_SCORE_WITHOUT_SPACES: Final = 2  # more than 10**6: words that only their spaces tell apart may be a good password
PREFIX: Final = (
    32  # characters; the time grows with the square of the length: 0.3 s at most for 32, 4 s for 72 (measured)
)
SENTENCE: Final = (
    "This password is easy to guess: it is in lists of common passwords, or resembles one. "
    "Four unrelated words are better."
)
# Words that everybody guesses here, and passwords that are known as examples of good ones.
KNOWN_WORDS: Final = ("cloison", "ledger", "correcthorsebatterystaple", "tr0ub4dor&3")


def is_common(password: str, name: str) -> bool:
    """Return whether a password is common or resembles a common one, with its spaces or without them."""
    joined = "".join(password.split())
    return _score(password, name) < MIN_SCORE or _score(joined, name) < MIN_SCORE_WITHOUT_SPACES


def _score(password: str, name: str) -> int:
    return int(zxcvbn(password[:PREFIX], user_inputs=[*KNOWN_WORDS, name])["score"])
