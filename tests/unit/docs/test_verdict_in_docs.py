"""The function and the jq filter of docs/proof.md derive the verdict of every sample proof."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from tests.unit.reports.sample_proofs import PROOFS

from cloison.proof.schema import canonical
from cloison_view.verdict import derive_verdict

PAGE: Final = (Path(__file__).parents[3] / "docs" / "proof.md").read_text()
FUNCTION: Final = re.findall(r"```python\n(def derive_verdict.*?)```", PAGE, re.DOTALL)
FILTER: Final = re.findall(r"jq -r '(\[\.flows\[\] \| if .*?)' proof\.json", PAGE)
JQ: Final = shutil.which("jq")


def forgeries() -> dict[str, dict[str, Any]]:
    """Return every sample proof, and each without its policy, without flows, and with a gap."""
    made: dict[str, dict[str, Any]] = {name: json.loads(canonical(make())) for name, make in PROOFS.items()}
    changes: dict[str, dict[str, Any]] = {
        "no policy": {"policy": None},
        "no flows": {"flows": []},
        "a gap": {"coverage": {"complete": False, "absent": [], "skipped": []}},
    }
    return {
        **made,
        **{f"{name}, {what}": made[name] | change for name in made for what, change in changes.items()},
    }


DOCUMENTS: Final = forgeries()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_function_of_the_page_derives_the_verdict(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(FUNCTION[0], scope)  # noqa: S102  # the code of the documentation

    assert derive_verdict(DOCUMENTS[name]).word == scope["derive_verdict"](DOCUMENTS[name])


def test_the_filter_of_the_page_derives_every_verdict() -> None:
    assert JQ, "jq is missing: apt-get install jq"
    text = "\n".join(json.dumps(document) for document in DOCUMENTS.values())
    done = subprocess.run([JQ, "-r", FILTER[0]], input=text, capture_output=True, text=True, check=True)

    assert [derive_verdict(document).word for document in DOCUMENTS.values()] == done.stdout.split()
