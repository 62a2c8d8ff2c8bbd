"""Runs commands of nftables in this process, through the library of the program `nft`.

Input: the text that `nft -f` reads. Output: what it prints, as JSON where that is wanted.
Rule: one text is one transaction; the kernel takes all of it or nothing. A program started for each change would take
longer than the change. The library keeps the names of interfaces in one list for the whole process, without a lock,
so one thread at a time is in it.

    struct nft_ctx *nft_ctx_new(uint32_t flags);                     /* opens netlink in the namespace of the thread */
    int nft_run_cmd_from_buffer(struct nft_ctx *nft, const char *buf);        /* 0, or see the error buffer */

Source: libnftables(3), https://manpages.debian.org/bookworm/libnftables-dev/libnftables.3.en.html
"""

from __future__ import annotations

import ctypes
import json
from functools import cache
from threading import Lock
from typing import Any, Final

from cloison.errors import NotProven

LIBRARY: Final = "libnftables.so.1"
NFT_CTX_OUTPUT_JSON: Final = 1 << 4
"""NFT_CTX_OUTPUT_JSON of nftables/libnftables.h."""
IN_USE: Final = Lock()


def run(commands: str) -> None:
    """Run a transaction in the calling thread's network namespace.

    Raises OSError with what nftables says if the kernel refuses it, NotProven if the library is missing.
    """
    _run(commands, flags=0, dry_run=False)


def is_accepted(commands: str) -> bool:
    """Whether the kernel would take a transaction; nothing is changed.

    Raises NotProven if the library is missing.
    """
    try:
        _run(commands, flags=0, dry_run=True)
    except OSError:
        return False
    return True


def table(family: str, name: str) -> list[dict[str, Any]] | None:
    """Return the objects of a table as nft's JSON names them (libnftables-json(5)), None if there is no such table."""
    try:
        text = _run(f"list table {family} {name}", flags=NFT_CTX_OUTPUT_JSON, dry_run=False)
    except OSError:
        return None
    found: list[dict[str, Any]] = json.loads(text)["nftables"]
    return found


def _run(commands: str, *, flags: int, dry_run: bool) -> str:
    with IN_USE:
        return _run_alone(_library(), commands, flags=flags, dry_run=dry_run)


def _run_alone(library: ctypes.CDLL, commands: str, *, flags: int, dry_run: bool) -> str:
    context = library.nft_ctx_new(0)
    try:
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        library.nft_ctx_output_set_flags(context, flags)
        library.nft_ctx_set_dry_run(context, dry_run)
        if library.nft_run_cmd_from_buffer(context, commands.encode()) != 0:
            error = library.nft_ctx_get_error_buffer(context).decode(errors="replace")
            raise OSError(_first_line(error))
        text: str = library.nft_ctx_get_output_buffer(context).decode()
        return text
    finally:
        library.nft_ctx_free(context)


def _first_line(error: str) -> str:
    """Return the first line of an error; the lines after it repeat the text with a mark under the place."""
    return next((line for line in error.splitlines() if line.strip()), "nftables gave no reason")


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise NotProven(
            f"{LIBRARY} is not installed, and enforcement loads its rules through it; install the package nftables"
        ) from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("nft_ctx_get_error_buffer", "nft_ctx_get_output_buffer"):
        getattr(library, name).restype = ctypes.c_char_p
        getattr(library, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_ctx_set_dry_run.argtypes = [ctypes.c_void_p, ctypes.c_bool]
    return library
