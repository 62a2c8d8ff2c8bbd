"""The terminal reports that are held against stored ones.

`python -m tests.unit.reports.golden_reports` writes them anew: read the difference before you commit it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.unit.reports.sample_proofs import PROOFS

from cloison.reports import terminal

FOLDER: Final = Path(__file__).parent / "golden"


@dataclass(frozen=True, slots=True)
class Golden:
    """One stored report and how it is made."""

    name: str
    scene: str
    width: int = 100
    strict: bool = False
    color: bool = False

    @property
    def path(self) -> Path:
        """Where it is stored."""
        return FOLDER / f"{self.name}.txt"

    def made(self) -> str:
        """Return the report as it is made now."""
        return terminal.render(PROOFS[self.scene](), color=self.color, width=self.width, strict=self.strict)


GOLDENS: Final = (
    Golden("holds", "holds", width=80),
    Golden("tolerated", "tolerated", width=80),
    Golden("tolerated-strict", "tolerated", width=80, strict=True),
    Golden("tolerated-color", "tolerated", color=True),
    Golden("breach", "breach"),
    Golden("breach-narrow", "breach", width=60),
    Golden("broken", "broken"),
    Golden("unknown", "unknown"),
    Golden("stranger", "stranger"),
    Golden("no-policy", "no-policy"),
    Golden("twelve", "twelve"),
    Golden("misused", "misused"),
    Golden("misused-by-many", "misused-by-many", width=80),
    Golden("ipv6", "ipv6"),
    Golden("udp", "udp"),
    Golden("host", "host"),
)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for golden in GOLDENS:
        golden.path.write_text(golden.made())
