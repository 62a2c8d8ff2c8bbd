"""The proof document: everything that was asked, predicted, intended, seen and judged.

Rule: reports, the ledger and other people's tools depend on this document and on nothing else. Its
bytes are canonical (RFC 8785), so the SHA-256 of the file is the proof's name.

Flows refer to `vantages` and `endpoints` by position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Final, Literal

import msgspec

from cloison.model.flow import EndpointKind
from cloison.model.outcome import Outcome, Reach
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Cause, Judgement

SafeInteger = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""A number that every reader of JSON can hold: https://www.rfc-editor.org/rfc/rfc8785#section-3.2.2.3"""
Position = SafeInteger
TotalsKey = Annotated[str, msgspec.Meta(pattern=r"^[a-z]+$")]
Totals = dict[TotalsKey, SafeInteger]
"""How many flows there are of each judgement."""


FLOWS_PER_CHUNK: Final = 1000
"""Flows that are written at once."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member of the document; what the form does not name is refused, or its name would not cover it."""


class Verdict(Part, frozen=True):
    """What the whole comes to; `exit_code` is what `cloison prove` ends with, without `--strict`."""

    word: Literal["proven", "breached", "unproven"]
    exit_code: SafeInteger


class Tool(Part, frozen=True):
    """What made the document."""

    name: str
    version: str


class NetworkPart(Part, frozen=True):
    """A network: `key` is its name in the file, empty when the file does not know it."""

    name: str
    key: str
    driver: str
    internal: bool
    external: bool


class ServicePart(Part, frozen=True):
    """A service of the file with the engine names of its networks."""

    name: str
    networks: list[str]
    replicas: SafeInteger


class ProjectPart(Part, frozen=True):
    """The Compose project."""

    name: str
    services: list[ServicePart]
    networks: list[NetworkPart]


class Machine(Part, frozen=True):
    """The engine's machine."""

    name: str
    kernel: str


class EnginePart(Part, frozen=True):
    """The engine and the facts that predictions used, by the names of `model.EngineFacts`."""

    name: str
    version: str
    forward_policy: str
    forward_policy_v6: str
    filters_ipv6: bool
    has_userland_proxy: bool
    guards_addresses: bool
    firewall: str
    filters_bridges: bool
    source_check: str


class TolerationPart(Part, frozen=True):
    """A toleration as the policy says it."""

    what: str
    why: str


class PolicyPart(Part, frozen=True):
    """The policy as the file says it."""

    allow: list[str]
    tolerate: list[TolerationPart]


class VantagePart(Part, frozen=True):
    """Where connections start; a control's text says why it failed, empty is passed."""

    place: str
    container: str
    positive_control: str
    negative_control: str


class EndpointPart(Part, frozen=True):
    """Where connections end. `port` and `service_port` are 0 for a canary: it stands for any other port."""

    place: str
    container: str
    kind: EndpointKind
    protocol: str
    service_port: SafeInteger
    network: str
    address: str
    port: SafeInteger


class FlowPart(Part, frozen=True):
    """One flow: three matrices, one word, one reason. `intended_by` is the policy's line, empty for the default."""

    vantage: Position
    endpoint: Position
    intended: Intent
    intended_by: str
    predicted: Reach
    rule: str
    observed: Reach
    outcome: Outcome
    evidence: str
    judgement: Judgement
    cause: Cause | None
    drift: bool
    reason: str


class SkippedPart(Part, frozen=True):
    """Something that was not looked at."""

    what: str
    why: str


class FindingPart(Part, frozen=True):
    """Something that could be done with what a container or the engine has; it changes no verdict."""

    what: str
    where: str
    sentence: str
    evidence: str
    source: str


class Coverage(Part, frozen=True):
    """How much was looked at. `complete` is false when a service or its listeners were not, or nothing was asked."""

    flows: SafeInteger
    unknown: SafeInteger
    absent: list[str]
    skipped: list[SkippedPart]
    complete: bool


class Proof(Part, frozen=True):
    """The document; times are UTC in RFC 3339 form and milliseconds."""

    schema_version: Literal["2"]
    tool: Tool
    verdict: Verdict
    project: ProjectPart
    machine: Machine
    engine: EnginePart
    started: str
    duration_ms: SafeInteger
    patience_ms: SafeInteger
    policy: PolicyPart | None
    vantages: list[VantagePart]
    endpoints: list[EndpointPart]
    flows: list[FlowPart]
    totals: Totals
    findings: list[FindingPart]
    coverage: Coverage
    notes: list[str]

    def __post_init__(self) -> None:
        if any(f.vantage >= len(self.vantages) or f.endpoint >= len(self.endpoints) for f in self.flows):
            raise ValueError("a flow points to a vantage or an endpoint that the document does not have")


class RunContext(Part, frozen=True):
    """What the core cannot know: who looked, where, when and how long."""

    tool: Tool
    machine: Machine
    started: str
    duration_ms: SafeInteger
    patience_ms: SafeInteger
    notes: tuple[str, ...] = ()
    """What is to be said before everything else."""
    not_probed: tuple[SkippedPart, ...] = ()
    """What the file has and nobody looked at: with it, nothing is proven."""
    findings: tuple[FindingPart, ...] = ()
    """What could be misused, the worst first."""


def canonical(document: Part) -> bytes:
    """Return the one byte string of a document (RFC 8785), without a newline.

    msgspec writes other bytes than RFC 8785 where keys are not ASCII (the order of code points is not that of
    UTF-16) and where numbers have a fraction or need more than 53 bits. A document has neither: see `Word`, `Whole`.
    Raises UnicodeEncodeError for half a surrogate pair, which is no text.
    """
    return msgspec.json.encode(document, order="sorted")


def canonical_chunks(document: Part) -> Iterator[bytes]:
    """Yield the canonical bytes one after another: those of a large proof take as much memory as all its flows."""
    for at, name in enumerate(sorted(document.__struct_fields__)):
        yield f'{"," if at else "{"}"{name}":'.encode()
        member = getattr(document, name)
        if not isinstance(member, list):
            yield msgspec.json.encode(member, order="sorted")
            continue
        yield b"["
        for start in range(0, len(member), FLOWS_PER_CHUNK):
            body = msgspec.json.encode(member[start : start + FLOWS_PER_CHUNK], order="sorted")[1:-1]
            yield b"," + body if start else body
        yield b"]"
    yield b"}"


def digest(document: Part) -> str:
    """Return a document's name: the SHA-256 of its canonical bytes, in hexadecimal."""
    name = hashlib.sha256()
    for chunk in canonical_chunks(document):
        name.update(chunk)
    return name.hexdigest()


def parse(document: bytes) -> Proof:
    """Read a proof document.

    Raises msgspec.ValidationError, with the path of what is wrong, when it is not one.
    """
    return msgspec.json.decode(document, type=Proof)


def schema() -> dict[str, object]:
    """Return the JSON Schema of the document."""
    return schema_of(Proof, "Cloison proof")


def schema_of(form: type[Part], title: str) -> dict[str, object]:
    """Return the JSON Schema of a document's form."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **msgspec.json.schema(form),
    }
