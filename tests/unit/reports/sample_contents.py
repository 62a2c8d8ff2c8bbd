"""Every sample proof and plan as the content of a report."""

from __future__ import annotations

from functools import cache
from typing import Final

import pytest
from tests.unit.plan import sample_plans
from tests.unit.reports.sample_proofs import PROOFS

from cloison.reports.content import Content

PLANS: Final = {name: cache(make) for name, make in sample_plans.PLANS.items()}
"""The sample plans, each made once."""
CONTENTS: Final = [
    pytest.param(Content(make(), strict=strict), id=f"{kind} {name}{' strict' * strict}")
    for kind, scenes in (("proof", PROOFS), ("plan", PLANS))
    for name, make in scenes.items()
    for strict in (False, True)
    if not strict or name in ("tolerated", "sound", "breach", "breached")
]
