"""Verbs for the operator: the keys of stored secrets. Only a key goes to stdout, and no key is an argument."""

import argparse
import sys
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine

from ledger.accounts.errors import InputError
from ledger.database import engine_for
from ledger.encryption import keys, stored
from ledger.encryption.keys import Keys
from ledger.settings import Settings

LOST: Final = (
    "stored secrets cannot be read: the key that encrypted them is not in {path}. Until it is back (add-keys), or until"
    " they are entered again, these channels get no message, and these second factors accept recovery codes alone"
)


def show(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Print the keys, to be kept apart from the backups."""
    sys.stdout.write("".join(f"{key}\n" for key in Keys(settings.key_file).read()))
    return 0


def add(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Add the keys on stdin, which a restored backup needs."""
    try:
        given = keys.parse(sys.stdin.read())
    except ValueError as error:
        raise InputError(f"The keys on stdin cannot be used: {error}.") from error
    _tell(settings, stored.add(engine_for(settings), given), "every stored secret can be read")
    return 0


def rotate(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Encrypt every stored secret with a new key."""
    _tell(settings, stored.rotate(engine_for(settings)), "every stored secret is encrypted with a new key")
    return 0


def add_subcommands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these verbs to the command line; each sets `run`, a function of settings and arguments."""
    for name, verb in (("keys", show), ("add-keys", add), ("rotate-keys", rotate)):
        subparsers.add_parser(name, help=verb.__doc__, description=verb.__doc__).set_defaults(run=_refusing(verb))


def prepare(settings: Settings) -> None:
    """Create the first key; a ledger that cannot still stores proofs, and says what is missing."""
    try:
        if Keys(settings.key_file).create():
            _say(f"created a key for stored secrets: {settings.key_file}")
    except InputError as error:
        _say(str(error))


def tell_unreadable(settings: Settings, engine: Engine) -> None:
    """Say at the start how many stored secrets cannot be read."""
    with engine.connect() as connection:
        _tell(settings, stored.count_unreadable(connection))


def _refusing(verb: Callable[[Settings, argparse.Namespace], int]) -> Callable[[Settings, argparse.Namespace], int]:
    def run(settings: Settings, arguments: argparse.Namespace) -> int:
        try:
            return verb(settings, arguments)
        except InputError as refused:
            _say(str(refused))
            return 1

    return run


def _tell(settings: Settings, unreadable: int, otherwise: str = "") -> None:
    if unreadable:
        _say(f"{unreadable} {LOST.format(path=settings.key_file)}")
    elif otherwise:
        _say(otherwise)


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")
