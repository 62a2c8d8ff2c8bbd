# noqa: INP001  # a script, not a package
"""Prints the provenance of files that were built on this machine: an in-toto statement, unsigned.

    python setup/provenance.py --commit HASH --tree clean|modified FILE ...

Input: the files, the commit they were built from, and whether the working tree had other changes.
Output: JSON with an in-toto statement v1 whose predicate is SLSA provenance v1.
Rule: nothing in it depends on the time or the folder of the build, so the same commit gives the same bytes.
Source: https://in-toto.io/Statement/v1 and https://slsa.dev/spec/v1.0/provenance; a member that SLSA does not know has
the name of its vendor before an underscore.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
REPOSITORY: Final = "https://github.com/cloison/cloison"
PAGE: Final = f"{REPOSITORY}/blob/main/docs/install.md"
LOCKS: Final = ("requirements/build.txt", "requirements/dev.txt", "requirements/run.txt")
"""The locked packages: the build backend, the tools of the build, and those that the program runs with."""
TOOLS: Final = ("build", "cyclonedx-bom", "hatch-fancy-pypi-readme", "hatchling")
UNSIGNED: Final = (
    "This statement has no signature, and the builder is the machine of the person who ran setup/dist.sh. "
    "It lets the build be repeated and compared; it proves nothing about who built it."
)


def resource(path: Path, name: str) -> dict[str, Any]:
    """Return the name and the SHA-256 of a file."""
    return {"name": name, "digest": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}


def statement(files: Iterable[Path], commit: str, tree: str) -> dict[str, Any]:
    """Return the in-toto statement about files that were built from a commit."""
    source = {"uri": f"git+{REPOSITORY}", "digest": {"gitCommit": commit}}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [resource(file, file.name) for file in sorted(files)],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"{PAGE}#how-it-is-built",
                "externalParameters": {"source": source, "command": "setup/dist.sh"},
                "internalParameters": {
                    "workingTree": tree,
                    "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", ""),
                },
                "resolvedDependencies": [source, *(resource(ROOT / name, name) for name in LOCKS)],
            },
            "runDetails": {
                "builder": {
                    "id": f"{PAGE}#local-build",
                    "version": {"python": platform.python_version(), **{name: version(name) for name in TOOLS}},
                },
                "metadata": {"cloison_signed": False, "cloison_note": UNSIGNED},
            },
        },
    }


def main(arguments: list[str]) -> None:
    """Print the statement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--commit", required=True)
    parser.add_argument("--tree", choices=["clean", "modified"], required=True)
    parser.add_argument("files", nargs="+", type=Path)
    given = parser.parse_args(arguments)
    json.dump(statement(given.files, given.commit, given.tree), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
