"""The plan document: everything that was asked, intended and predicted, and judged on paper.

Rule: nothing in it was seen, so it is not a proof and does not look like one. It holds no time and no
name of a machine: the same file gives the same bytes (RFC 8785), and the SHA-256 of the file is the plan's name.

Flows refer to `vantages` and `endpoints` by position.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cloison.model.outcome import Reach
from cloison.plan.lint import LintKind
from cloison.proof.schema import (
    EndpointPart,
    Part,
    PolicyPart,
    Position,
    ProjectPart,
    SafeInteger,
    SkippedPart,
    Tool,
    Totals,
    schema_of,
)
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Judgement


class PlanVerdict(Part, frozen=True):
    """What the whole comes to; `exit_code` is what `cloison plan` ends with, without `--strict`."""

    word: Literal["sound", "drawn", "breached", "undecided"]
    exit_code: SafeInteger


class AssumedPart(Part, frozen=True):
    """What the file does not tell, and was taken for granted."""

    engine: str
    version: str
    forward_policy: str
    forward_policy_v6: str
    filters_ipv6: bool
    has_userland_proxy: bool
    guards_addresses: bool
    external: str


class PlanVantagePart(Part, frozen=True):
    """Where connections start; a container that the file asks for, under the name that Compose gives it."""

    place: str
    container: str


class PlannedFlow(Part, frozen=True):
    """One flow: two matrices, one word, one reason. `intended_by` is the policy's line, empty for the default."""

    vantage: Position
    endpoint: Position
    intended: Intent
    intended_by: str
    predicted: Reach
    rule: str
    judgement: Judgement
    reason: str


class LintFindingPart(Part, frozen=True):
    """What the file says, and the key that says it."""

    where: str
    kind: LintKind
    says: str


class ProposedNetworkPart(Part, frozen=True):
    """A network of the proposal, under its key in the file."""

    key: str
    internal: bool
    members: list[str]
    is_new: bool


class ServiceNetworksPart(Part, frozen=True):
    """A service whose seats change, with the keys of all its networks; none is `network_mode: none`."""

    service: str
    networks: list[str]


class ProposalPart(Part, frozen=True):
    """The smallest set of networks that the policy needs, and its predicted effect on who reaches whom."""

    networks: list[ProposedNetworkPart]
    services: list[ServiceNetworksPart]
    dropped: list[str]
    opens: list[str]
    shuts: list[str]
    leaves_open: list[str]
    exact: bool
    yaml: str


class PlanCoverage(Part, frozen=True):
    """How much was asked."""

    flows: SafeInteger
    unknown: SafeInteger
    skipped: list[SkippedPart]


class Plan(Part, frozen=True):
    """The document."""

    schema_version: Literal["2"]
    tool: Tool
    verdict: PlanVerdict
    project: ProjectPart
    assumed: AssumedPart
    policy: PolicyPart | None
    vantages: list[PlanVantagePart]
    endpoints: list[EndpointPart]
    flows: list[PlannedFlow]
    totals: Totals
    coverage: PlanCoverage
    remarks: list[LintFindingPart]
    proposal: ProposalPart | None
    notes: list[str]

    def __post_init__(self) -> None:
        if any(f.vantage >= len(self.vantages) or f.endpoint >= len(self.endpoints) for f in self.flows):
            raise ValueError("a flow points to a vantage or an endpoint that the document does not have")


def parse(document: bytes) -> Plan:
    """Read a plan document.

    Raises msgspec.ValidationError, with the path of what is wrong, when it is not one.
    """
    return msgspec.json.decode(document, type=Plan)


def schema() -> dict[str, object]:
    """Return the JSON Schema of the document."""
    return schema_of(Plan, "Cloison plan")
