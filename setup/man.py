# noqa: INP001  # a script, not a package
"""Writes the manual page of the command from its help: python setup/man.py > man/cloison.1.

Input: the click commands of `cloison.cli`. Output: roff with the macros of man(7), in ASCII.
Rule: nothing is said here that the help does not say, but the sections that every page has. A date comes from
SOURCE_DATE_EPOCH, so that the same commit gives the same bytes (https://reproducible-builds.org/specs/source-date-epoch/).
Source: man(7), man-pages(7), groff_char(7).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import metadata
from typing import Final

import click

from cloison.cli import cloison

PROGRAM: Final = "cloison"
LITERAL: Final = "\b"
"""The line with which click marks a paragraph whose lines stay as they are."""
CODE: Final = re.compile(r"`([^`]+)`")
ENVIRONMENT: Final = re.compile(r"\b(?:CLOISON|COMPOSE|DOCKER)_[A-Z_]+\b")
ISSUES: Final = "Issues, "
EXIT_CODES: Final = "Exit codes: "
SEE_ALSO: Final = r"\fBdocker\fP(1), \fBdocker\-compose\fP(1)"


def roff(text: str) -> str:
    """Return a text for roff: in ASCII, each minus as typed, no line that begins with a control character."""
    escaped = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti")
    )
    escaped = CODE.sub(r"\\fB\1\\fP", escaped)
    ascii_only = "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in escaped)
    return re.sub(r"^(?=\.)", r"\\&", ascii_only, flags=re.MULTILINE)


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text, each with its macro."""
    for part in re.split(r"\n\s*\n", text.strip()):
        first, *others = part.splitlines()
        if first.strip(" ") == LITERAL:
            yield ".PP\n.nf\n" + "\n".join(roff(line) for line in others) + "\n.fi\n"
        else:
            yield f".PP\n{roff(' '.join(part.split()))}\n"


def contexts(context: click.Context) -> Iterator[click.Context]:
    """Yield the contexts of the verbs below a group, and of theirs, in the order of the help."""
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command:
                child = click.Context(command, parent=context, info_name=name)
                yield child
                yield from contexts(child)


def options(context: click.Context) -> Iterator[str]:
    """Yield the entries of a command's options."""
    for parameter in context.command.get_params(context):
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context)):
            yield f".TP\n\\fB{roff(record[0])}\\fP\n{roff(' '.join(record[1].split()))}\n"


def synopsis(context: click.Context) -> str:
    """Return the line with a command and its arguments."""
    words = [f"\\fB{roff(context.command_path)}\\fP", *map(roff, context.command.collect_usage_pieces(context))]
    return " ".join(words)


def variables(every: Iterable[click.Context]) -> Iterator[str]:
    """Yield the entries of the environment variables that options name in their help."""
    found: dict[str, str] = {}
    for context in every:
        for parameter in context.command.get_params(context):
            record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
            for name in ENVIRONMENT.findall(record[1]) if record else ():
                found.setdefault(name, f"{roff(max(parameter.opts, key=len))}: {roff(' '.join(record[1].split()))}")
    return (f".TP\n.B {roff(name)}\n{text}\n" for name, text in sorted(found.items()))


def page() -> Iterator[str]:
    """Yield the parts of the manual page."""
    own = metadata(PROGRAM)
    root = click.Context(cloison, info_name=PROGRAM, **cloison.context_settings)
    description, _, exit_codes = (cloison.help or "").partition(EXIT_CODES)
    every = [root, *contexts(root)]
    date = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), tz=UTC).date().isoformat()
    yield f'.TH CLOISON 1 "{date}" "Cloison {own["Version"]}" "User Commands"\n'
    yield f".SH NAME\n{PROGRAM} \\- {roff(own['Summary'].rstrip('.'))}\n"
    yield f".SH SYNOPSIS\n{synopsis(root)}\n"
    yield ".SH DESCRIPTION\n" + "".join(paragraphs(description)).removeprefix(".PP\n")
    yield ".SH OPTIONS\n" + "".join(options(root))
    yield ".SH COMMANDS\n"
    for context in every[1:]:
        yield f'.SS "{roff(context.command_path)}"\n{synopsis(context)}\n'
        yield "".join(paragraphs(context.command.help or "")) + "".join(options(context))
    yield f".SH EXIT STATUS\n{roff(' '.join(exit_codes.split()))}\n"
    yield ".PP\nA command that lists other codes above has those.\n"
    yield ".SH ENVIRONMENT\n" + "".join(variables(every))
    issues = [url for url in own.get_all("Project-URL") or () if url.startswith(ISSUES)]
    yield ".SH REPORTING BUGS\n" + "".join(f"{roff(url.removeprefix(ISSUES))}\n" for url in issues)
    yield f".SH SEE ALSO\n{SEE_ALSO}\n"


if __name__ == "__main__":
    sys.stdout.writelines(page())
