"""The plan document: the flows of a Compose file with their intention, prediction and judgement.

Input: JSON, or the parts that `plan.planner` creates. Output: frozen structs and their JSON Schema.
Rule: a plan contains no observation, so it is a different document than a proof. It has no time and no host name:
the same file gives the same bytes (RFC 8785), and the SHA-256 of the file identifies the plan.

Flows refer to `vantages` and `endpoints` by position.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cloison.model.outcome import Reach
from cloison.plan.lint import LintKind
from cloison.proof.schema import (
    AdvicePart,
    EndpointPart,
    Part,
    PolicyPart,
    Position,
    ProjectPart,
    SafeInteger,
    SkippedPart,
    TolerationPart,
    Tool,
    Totals,
    check_consistency,
    decode_canonical,
    schema_of,
)
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Judgement


class PlanVerdict(Part, frozen=True):
    """The verdict of the plan; `exit_code` is the exit code of `cloison plan` without `--strict`."""

    word: Literal["sound", "drawn", "breached", "undecided"]
    exit_code: SafeInteger


class AssumedPart(Part, frozen=True):
    """The assumptions about the engine and its host, which the file does not contain."""

    engine: str
    version: str
    forward_policy: str
    forward_policy_v6: str
    filters_ipv6: bool
    has_userland_proxy: bool
    guards_addresses: bool
    external: str


class PlanVantagePart(Part, frozen=True):
    """A vantage; a container of the file has the name that Compose gives it."""

    place: str
    container: str


class PlanEndpointPart(EndpointPart, frozen=True):
    """An endpoint; with `last_port` it stands for every service port from `service_port` to that one.

    Where `port` differs from `service_port`, it does by the same number for all of them.
    """

    last_port: SafeInteger = 0


class AlikeServicePart(Part, frozen=True):
    """A service of a class, with its ports in the short syntax of Compose."""

    service: str
    ports: list[str]


class AlikePart(Part, frozen=True):
    """Services that are predicted and judged alike: the flows of the `modelled` ones stand for those of all."""

    modelled: list[str]
    services: list[AlikeServicePart]


class PlannedFlow(Part, frozen=True):
    """A flow with its judgement and reason. `intended_by` is the position of the policy rule, empty by default."""

    vantage: Position
    endpoint: Position
    intended: Intent
    intended_by: str
    predicted: Reach
    rule: str
    judgement: Judgement
    reason: str


class LintFindingPart(Part, frozen=True):
    """A lint finding: a statement about the file, and the path of its key."""

    where: str
    kind: LintKind
    says: str


class ProposedNetworkPart(Part, frozen=True):
    """A network of the proposal, with its key in the file."""

    key: str
    internal: bool
    members: list[str]
    is_new: bool


class ServiceNetworksPart(Part, frozen=True):
    """A service whose networks change, with the keys of all its networks; none means `network_mode: none`."""

    service: str
    networks: list[str]


class FirstStepPart(Part, frozen=True):
    """A change that is smaller than the proposal; the numbers are pairs of places, without the host."""

    sentence: str
    yaml: str
    closes: SafeInteger
    leaves_open: SafeInteger


class ProposalPart(Part, frozen=True):
    """The smallest set of networks that the policy needs, and its predicted effect on the open pairs."""

    networks: list[ProposedNetworkPart]
    services: list[ServiceNetworksPart]
    dropped: list[str]
    opens: list[str]
    shuts: list[str]
    leaves_open: list[str]
    exact: bool
    yaml: str
    tolerates: list[TolerationPart] = msgspec.field(default_factory=list)
    """The tolerations that `yaml` adds: what stays open, whatever the networks are."""
    sound: bool = False
    """Whether the plan of the file with `yaml` is sound."""
    notes: list[str] = msgspec.field(default_factory=list)
    step: FirstStepPart | None = None


class PlanCoverage(Part, frozen=True):
    """The coverage of a plan."""

    flows: SafeInteger
    unknown: SafeInteger
    skipped: list[SkippedPart]


class Plan(Part, frozen=True):
    """The plan document."""

    schema_version: Literal["2"]
    tool: Tool
    verdict: PlanVerdict
    project: ProjectPart
    assumed: AssumedPart
    policy: PolicyPart | None
    vantages: list[PlanVantagePart]
    endpoints: list[PlanEndpointPart]
    flows: list[PlannedFlow]
    totals: Totals
    coverage: PlanCoverage
    remarks: list[LintFindingPart]
    proposal: ProposalPart | None
    notes: list[str]
    advice: list[AdvicePart] = msgspec.field(default_factory=list)
    alike: list[AlikePart] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        if any(f.vantage >= len(self.vantages) or f.endpoint >= len(self.endpoints) for f in self.flows):
            raise ValueError("a flow refers to a vantage or an endpoint that the document does not have")


def parse(document: bytes) -> Plan:
    """Return the plan of a JSON document, after its bytes and its verdict have been checked.

    Raises msgspec.ValidationError when it is not a plan, is not in canonical form, or contradicts itself.
    """
    plan = decode_canonical(document, Plan)
    check_consistency(plan)
    return plan


class _PlanMember(msgspec.Struct, frozen=True):
    assumed: msgspec.Raw = msgspec.Raw()


def is_plan(document: bytes) -> bool:
    """Return whether a JSON document is a plan rather than a proof, by the member that only a plan has.

    Raises msgspec.DecodeError when it is no JSON object.
    """
    return bool(bytes(msgspec.json.decode(document, type=_PlanMember).assumed))


def schema() -> dict[str, object]:
    """Return the JSON Schema of the plan document."""
    return schema_of(Plan, "Cloison plan")
