# noqa: INP001  # a script, not a package
"""Reports retired words in identifiers, help, errors and pages: python setup/lint_words.py [FOLDER ...].

Input: Python files, Jinja templates, shell scripts and Markdown pages below the folders of `AREAS`, or below those
that are named.
Output: one line for each hit, `file:line: word: the standard term`; exit code 1 if there is one, else 0.
Rule: a word is a row of `NAMES` or `TEXTS`; a use that must stay is a row of `EXCEPTIONS`, with its reason.
An identifier is split at underscores and capitals. A text is a string literal with a blank in it, docstrings included.
The standard terms are explained in docs/glossary.md.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
AREAS: Final = ("src", "app", "bench", "setup", "docs", "tests")
NO_TEXTS: Final = "tests"
"""In this area only identifiers are checked: a test's literals are its data."""

TEXTS: Final[Mapping[str, str]] = {
    "astray": "misdirected",
    "courier": "ledger client",
    "deed": "audit event",
    "deeds": "audit events",
    "door": "port, connection or flow",
    "doorkeeper": "authentication",
    "doors": "ports, connections or flows",
    "errand": "request",
    "lender": "namespace owner",
    "lodger": "namespace sharer",
    "nobodies": "unused addresses",
    "on paper": "predicted",
    "parcel": "delivery",
    "patience": "timeout",
    "scout": "agent",
    "scouts": "agents",
    "seat": "attachment",
    "seats": "attachments",
    "stagehand": "resources",
    "stranger": "foreign container",
    "strangers": "foreign containers",
    "tongue": "per-family socket",
    "tongues": "per-family sockets",
    "untold": "unmanaged or undetermined",
    "volley": "batch",
    "wall": "isolation rule or boundary",
    "walls": "isolation rules or boundaries",
    "way out": "egress, or the default gateway network",
    "ways out": "egress, or default gateway networks",
}
"""Retired everywhere."""
TEXT_PATTERN: Final = re.compile(rf"(?<![\w/.-])(?:{'|'.join(TEXTS)})(?![\w/-])".replace(" ", r"\s+"), re.IGNORECASE)
"""A retired word that is no part of a path, an option or a longer word."""
NAMES: Final[Mapping[str, str]] = {
    **{word: standard for word, standard in TEXTS.items() if " " not in word},
    "announce": "register",
    "attackers": "security audit",
    "borrowed": "external",
    "clipped": "capped",
    "company": "unneeded peer",
    "discreet": "redact",
    "drawn": "synthetic, predicted or rendered",
    "ear": "receiver",
    "faces": "symbols",
    "fire": "send",
    "gates": "known vulnerabilities",
    "hop": "forwarding path",
    "leads": "DNAT rules or redirect candidates",
    "misuse": "risks",
    "ours": "the prober's own sockets",
    "paper": "synthetic facts or scenario",
    "passages": "reachable ports",
    "posts": "probe sockets",
    "powers": "container privileges",
    "purse": "budget",
    "refusals": "error advice",
    "remark": "lint finding",
    "remarks": "lint findings",
    "shot": "probe",
    "shots": "probes",
    "spell": "interval",
    "spells": "intervals",
    "survey": "host inspection",
    "unasked": "not probed",
    "unforeseen": "unmanaged",
    "unwalled": "unfiltered",
}
"""Retired in identifiers: names of modules, functions, classes, parameters, attributes and variables."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """A use that stays: the beginning of the file's path, a pattern of the identifier or text, and the reason."""

    path: str
    pattern: str
    reason: str

    def covers(self, hit: Hit) -> bool:
        """Whether this row allows a hit."""
        return hit.path.startswith(self.path) and re.search(self.pattern, hit.where) is not None


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A retired word: the file, the line, the word, its standard term, and the identifier or text that has it."""

    path: str
    line: int
    word: str
    standard: str
    where: str

    def __str__(self) -> str:
        """Return the line that is printed."""
        return f"{self.path}:{self.line}: {self.word}: {self.standard}  ({' '.join(self.where.split())[:80]})"


EXCEPTIONS: Final = (
    Allowed("", r"\bpatience(_ms)?$", "a member of the proof document"),
    Allowed("", r"^remarks$", "a member of the plan document"),
    Allowed("", r"\bstranger:", "the form of a place in both documents"),
    Allowed("", r"--patience\b", "the alias of --timeout"),
    Allowed(
        "app/ledger/",
        r"door_ids?\b|:door\b|\b(FROM|INTO|JOIN|UPDATE) (door|spell)\b",
        "tables and columns of the ledger",
    ),
    Allowed("app/ledger/migrations/", "", "migrations are never rewritten"),
    Allowed("app/cloison_view/", r"drawn\b|DRAWN", "edges of the diagram are drawn as SVG"),
    Allowed("app/ledger/views/", r"drawn\b|DRAWN", "the verdict of a project without a policy is the word drawn"),
    Allowed("tests/unit/cloison_view/", r"^drawn$", "edges of the diagram are drawn as SVG"),
    Allowed("bench/", r"^ours$", "the measurement of this project beside that of another"),
    Allowed("bench/", r"^wall$", "wall-clock seconds"),
    Allowed("setup/lint_words.py", "", "the table of the words"),
    Allowed("tests/unit/docs/test_lint_words.py", "", "the tests of the table"),
)


def words(identifier: str) -> list[str]:
    """Return the words of an identifier in lower case, split at underscores, digits and capitals."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)]


def in_identifier(path: str, line: int, identifier: str) -> Iterator[Hit]:
    """Yield the retired words of an identifier; the name of a test is a sentence, and is checked as a text."""
    table = TEXTS if identifier.startswith("test_") else NAMES
    for word in words(identifier):
        if word in table:
            yield Hit(path, line, word, table[word], identifier)


def in_text(path: str, line: int, text: str) -> Iterator[Hit]:
    """Yield the retired words of a text with a blank in it, each at its own line."""
    if " " not in text.strip():
        return
    for found in TEXT_PATTERN.finditer(text):
        word = re.sub(r"\s+", " ", found[0].lower())
        yield Hit(path, line + text.count("\n", 0, found.start()), word, TEXTS[word], _line_around(text, found))


def _line_around(text: str, found: re.Match[str]) -> str:
    end = text.find("\n", found.end())
    return text[text.rfind("\n", 0, found.start()) + 1 : end if end >= 0 else len(text)]


def identifiers(node: ast.AST) -> Iterator[str]:
    """Yield the identifiers that a node of the syntax tree introduces or uses."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.keyword(arg=str(name)) | ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            yield name
        case ast.alias(name=name, asname=alias):
            yield alias or name


def in_python(path: str, source: str) -> Iterator[Hit]:
    """Yield the retired words of a Python file: its module's name, its identifiers and its texts."""
    yield from in_identifier(path, 1, Path(path).stem)
    for node in ast.walk(ast.parse(source)):
        for name in identifiers(node):
            yield from in_identifier(path, getattr(node, "lineno", 1), name)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not path.startswith(NO_TEXTS):
            yield from in_text(path, node.lineno, node.value)


def in_template(path: str, source: str) -> Iterator[Hit]:
    """Yield the retired words of a page: its text between tags and Jinja's blocks."""
    blank = re.sub(
        r"<[^>]*>|{[%{#].*?[%}#]}", lambda found: "\n" * found[0].count("\n") or " ", source, flags=re.DOTALL
    )
    yield from in_text(path, 1, blank + " .")


def in_shell(path: str, source: str) -> Iterator[Hit]:
    """Yield the retired words of a shell script: its lines, comments included."""
    yield from in_text(path, 1, source + " .")


def in_markdown(path: str, source: str) -> Iterator[Hit]:
    """Yield the retired words of a page of the documentation, without its code."""
    blank = re.sub(
        r"^```.*?^```|`[^`]*`", lambda found: "\n" * found[0].count("\n"), source, flags=re.DOTALL | re.MULTILINE
    )
    yield from in_text(path, 1, blank + " .")


READERS: Final = {".py": in_python, ".html": in_template, ".sh": in_shell, ".md": in_markdown}


def hits(folders: Iterable[str]) -> list[Hit]:
    """Return the hits of the folders' files that no exception covers, in order."""
    found: set[Hit] = set()
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*")):
            path = str(file.relative_to(ROOT))
            if (read := READERS.get(file.suffix)) and not any(part.startswith(".") for part in Path(path).parts):
                found |= {*read(path, file.read_text(encoding="utf-8"))}
    return sorted(hit for hit in found if not any(row.covers(hit) for row in EXCEPTIONS))


def main(arguments: list[str]) -> int:
    """Print the hits and return the exit code."""
    found = hits(arguments or AREAS)
    sys.stdout.writelines(f"{hit}\n" for hit in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
