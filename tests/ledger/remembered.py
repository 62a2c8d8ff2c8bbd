"""An archive in memory, for the pages: it answers what ledger.archive.store answers, by looking through everything."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from proofview.difference import difference
from proofview.doors import Key, doors

from ledger.archive.lines import Page, ProjectLine, ProofLine, Spell


@dataclass
class Remembered:
    """Projects by name, each with its proofs in order."""

    kept: dict[str, list[tuple[ProofLine, bytes]]] = field(default_factory=dict)
    trouble: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def add_project(self, name: str) -> None:
        """Have a project without a proof."""
        self.kept.setdefault(name, [])

    def keep(self, project: str, body: bytes) -> None:
        """Add a proof that is newer than every other."""
        proof, proofs = json.loads(body), self.kept.setdefault(project, [])
        changes = len(difference(json.loads(proofs[-1][1]), proof)) if proofs else len(doors(proof))
        started = datetime.fromisoformat(proof["started"]).astimezone(UTC).replace(tzinfo=None)
        line = ProofLine(
            digest=hashlib.sha256(body).hexdigest(),
            word=proof["verdict"]["word"],
            exit_code=proof["verdict"]["exit_code"],
            started=started,
            received=started,
            duration_ms=proof["duration_ms"],
            tool="cloison 0.1.0",
            engine="docker 28.5",
            machine=proof["machine"]["name"],
            totals=proof["totals"],
            repeats=bool(proofs) and not changes and proofs[-1][0].word == proof["verdict"]["word"],
            changes=changes,
        )
        proofs.append((line, body))

    def projects(self, names: frozenset[str] | None) -> list[ProjectLine]:
        """Return the lines of projects."""
        self._answer("projects")
        wanted = sorted(name for name in self.kept if names is None or name in names)
        return [self._project(name) for name in wanted]

    def proofs(self, project: str, *, before: str | None, limit: int, only_changes: bool = False) -> Page:
        """Return a part of a project's proofs; a cursor is a position."""
        lines = [line for line, _ in reversed(self.kept[project]) if not (only_changes and line.repeats)]
        start = int(before or 0)
        end = start + limit
        return Page(tuple(lines[start:end]), str(end) if end < len(lines) else None)

    def line(self, project: str, digest: str) -> ProofLine | None:
        """Return a proof's line."""
        self._answer("line")
        return next((line for line, _ in self.kept[project] if line.digest == digest), None)

    def body(self, project: str, digest: str) -> bytes | None:
        """Return a proof's bytes."""
        self._answer("body")
        return next((body for line, body in self.kept[project] if line.digest == digest), None)

    def neighbours(self, project: str, digest: str) -> tuple[str | None, str | None]:
        """Return the digests before and after."""
        digests = [None, *(line.digest for line, _ in self.kept[project]), None]
        at = digests.index(digest)
        return digests[at - 1], digests[at + 1]

    def spells(self, project: str, **wanted: Any) -> list[Spell]:
        """Return the spells of doors, newest first."""
        limit, found = wanted.pop("limit"), self._spells(project)
        fits = [
            spell
            for spell in found
            if all(getattr(spell, name) == value for name, value in wanted.items() if value is not None)
        ]
        return sorted(fits, key=lambda spell: spell.since, reverse=True)[:limit]

    def badge(self, key: str) -> tuple[str, ProofLine | None] | None:
        """Return what a badge shows."""
        return next(((name, self._project(name).last) for name in self.kept if self._key(name) == key), None)

    def _answer(self, asked: str) -> None:
        self.asked.append(asked)
        if self.trouble is not None:
            raise self.trouble

    def _key(self, name: str) -> str:
        return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()

    def _project(self, name: str) -> ProjectLine:
        lines = [line for line, _ in self.kept[name]]
        changed = [line for line in lines if not line.repeats]
        return ProjectLine(
            name,
            self._key(name),
            len(lines),
            lines[-1] if lines else None,
            changed[-1] if changed else None,
            tuple(line.word for line in lines[-30:]),
        )

    def _spells(self, project: str) -> list[Spell]:
        last: dict[Key, tuple[tuple[Any, ...], ProofLine]] = {}
        found = []
        for line, body in self.kept[project]:
            now = {door.key: door.state for door in doors(json.loads(body))}
            for key in [key for key, (state, _) in last.items() if now.get(key) != state]:
                state, since = last.pop(key)
                found.append(Spell(*key, *state, since.started, since.digest, line.started, line.digest))
            for key in now.keys() - last.keys():
                last[key] = now[key], line
        found.extend(
            Spell(*key, *state, since.started, since.digest, None, None) for key, (state, since) in last.items()
        )
        return found
