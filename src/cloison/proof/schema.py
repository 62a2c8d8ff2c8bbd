"""The proof document: the facts, policy, flows, judgements and coverage of one proof.

Input: JSON, or the parts that `proof.build` creates. Output: frozen structs, canonical bytes and their SHA-256.
Rule: reports, the ledger and other tools depend on this document only. Its bytes are canonical (RFC 8785),
so the SHA-256 of the file identifies the proof.

Flows refer to `vantages` and `endpoints` by position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from cloison.model.facts import Origin
from cloison.model.flow import EndpointKind
from cloison.model.outcome import Outcome, Reach
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Cause, Judgement
from cloison_view import verdict

SafeInteger = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""An integer that every JSON reader represents exactly: https://www.rfc-editor.org/rfc/rfc8785#section-3.2.2.3"""
Position = SafeInteger
Port = Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]
ExitCode = Annotated[int, msgspec.Meta(ge=0, le=2**8 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]

# Every member has a bound, so that a ledger, which stores some of them in columns, can store every valid document.
Name = Annotated[str, msgspec.Meta(max_length=255)]
"""The name of a service, a network, a container or a machine."""
Word = Annotated[str, msgspec.Meta(max_length=100)]
"""A version, or a setting of the engine."""
Text = Annotated[str, msgspec.Meta(max_length=16_384)]
"""A sentence or a line of the policy."""
Started = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T"
            "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z$"
        }
    ),
]
"""A time; `verdict.is_canonical_time` checks it, knows the length of a month, too, and has the better sentence."""
TransportProtocol = Annotated[str, msgspec.Meta(pattern=r"^(sctp|tcp|udp)$")]
TotalsKey = Annotated[str, msgspec.Meta(pattern=r"^(breach|broken|drift|holds|tolerated|unjudged|unknown)$")]
GroupName = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9._-]+$", max_length=255)]
Totals = dict[TotalsKey, SafeInteger]
"""The number of flows of each judgement."""
MANY: Final = msgspec.Meta(max_length=100_000)
"""The bound of a list, and of an object with keys of a user."""
MAX_FLOWS: Final = 1_000_000


FLOWS_PER_CHUNK: Final = 1000
"""The number of flows that are encoded at once."""
TIME_EXAMPLE: Final = "2026-01-02T03:04:05.678Z"
NOT_CANONICAL: Final = "the bytes are not the canonical form (RFC 8785) of the document"


class NotCanonicalError(msgspec.ValidationError):
    """The bytes are a document, but not in canonical form."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of the document; an unknown member is an error, because the digest would not cover it.

    A member with a default was added later. It is left out where it has its default, so that a document of an earlier
    program has the same canonical bytes as before.
    """


class Verdict(Part, frozen=True):
    """The verdict of the proof; `exit_code` is the exit code of `cloison prove` without `--strict`."""

    word: Literal["proven", "drawn", "breached", "unproven"]
    exit_code: ExitCode


class Tool(Part, frozen=True):
    """The tool that created the document."""

    name: Word
    version: Word


class NetworkPart(Part, frozen=True):
    """A network: `key` is its key in the file, empty when the file does not have it."""

    name: Name
    key: Name
    driver: Name
    internal: bool
    external: bool


class ServicePart(Part, frozen=True):
    """A service of the file, with the engine names of its networks."""

    name: Name
    networks: Annotated[list[Name], MANY]
    replicas: Count


class ProjectPart(Part, frozen=True):
    """The Compose project."""

    name: Name
    services: Annotated[list[ServicePart], MANY]
    networks: Annotated[list[NetworkPart], MANY]


class Machine(Part, frozen=True):
    """The host of the engine."""

    name: Name
    kernel: Word


class EnginePart(Part, frozen=True):
    """The engine and its settings that predictions used, named as in `model.facts.EngineFacts`."""

    name: Word
    version: Word
    forward_policy: Word
    forward_policy_v6: Word
    filters_ipv6: bool
    has_userland_proxy: bool
    guards_addresses: bool
    firewall: Word
    filters_bridges: bool
    source_check: Word


class TolerationPart(Part, frozen=True):
    """A toleration as the policy writes it."""

    what: Text
    why: Text
    keep: bool = False
    """Whether enforcement leaves it open."""


class PolicyPart(Part, frozen=True):
    """The policy as the file writes it."""

    allow: Annotated[list[Text], MANY]
    tolerate: Annotated[list[TolerationPart], MANY]
    groups: Annotated[dict[GroupName, Annotated[list[Text], MANY]], MANY] = msgspec.field(default_factory=dict)


class VantagePart(Part, frozen=True, omit_defaults=True):
    """A vantage with its controls: the text of a control is the reason why it failed, empty when it passed.

    `origin` is absent where the engine knows the vantage; `via` is the port of the host's bridge of one that it
    does not know, absent if there is none. Documents without such a vantage have the same bytes as before.
    """

    place: Name
    container: Name
    positive_control: Text
    negative_control: Text
    origin: Origin = Origin.ENGINE
    via: Name = ""


class EndpointPart(Part, frozen=True):
    """An endpoint. `port` and `service_port` are 0 for a canary, which represents every port without a listener."""

    place: Name
    container: Name
    kind: EndpointKind
    protocol: TransportProtocol
    service_port: Port
    network: Name
    address: Word
    port: Port


class FlowPart(Part, frozen=True):
    """A flow with its judgement and reason. `intended_by` is the position of the policy rule, empty by default."""

    vantage: Position
    endpoint: Position
    intended: Intent
    intended_by: Text
    predicted: Reach
    rule: Text
    observed: Reach
    outcome: Outcome
    evidence: Text
    judgement: Judgement
    cause: Cause | None
    drift: bool
    reason: Text


class SkippedPart(Part, frozen=True):
    """A subject that was not probed, and the reason."""

    what: Text
    why: Text


class FindingPart(Part, frozen=True):
    """A risk of a container or the engine that an attacker could use; it changes no verdict."""

    what: Text
    where: Text
    sentence: Text
    evidence: Text
    source: Text


class Coverage(Part, frozen=True):
    """The coverage: `complete` is false when a service or its listeners were not probed, or there are no flows."""

    flows: SafeInteger
    unknown: SafeInteger
    absent: Annotated[list[Name], MANY]
    skipped: Annotated[list[SkippedPart], MANY]
    complete: bool


class AdvicePart(Part, frozen=True):
    """What to do about some flows, by their positions. The change was applied to the file, and judged by prediction."""

    sentence: Text
    flows: Annotated[list[Position], msgspec.Meta(max_length=MAX_FLOWS)]


Transport = Literal["tcp", "udp"]
"""The protocols of connections that stand."""


class UsePart(Part, frozen=True):
    """The connections between two places at one port that stood when the proof began; the outside has the port 0."""

    source: Name
    target: Name
    protocol: Transport
    port: Port
    connections: Count


LineName = Annotated[str, msgspec.Meta(pattern=r"^(allow|tolerate)\[[0-9]{1,6}\]$")]
"""A line of the policy by its list and its position there."""


class LearnedPart(Part, frozen=True):
    """What was learned of the policy's lines before the proof: since when, for how many seconds, and their last uses.

    A line without a last use was not used in that time.
    """

    since: Started
    watched_s: SafeInteger
    last_used: Annotated[dict[LineName, Started], MANY]


class Proof(Part, frozen=True):
    """The proof document; times are UTC in RFC 3339 format, durations are milliseconds."""

    schema_version: Literal["2"]
    tool: Tool
    verdict: Verdict
    project: ProjectPart
    machine: Machine
    engine: EnginePart
    started: Started
    duration_ms: SafeInteger
    patience_ms: SafeInteger
    policy: PolicyPart | None
    vantages: Annotated[list[VantagePart], MANY]
    endpoints: Annotated[list[EndpointPart], MANY]
    flows: Annotated[list[FlowPart], msgspec.Meta(max_length=MAX_FLOWS)]
    totals: Totals
    findings: Annotated[list[FindingPart], MANY]
    coverage: Coverage
    notes: Annotated[list[Text], MANY]
    deadline_ms: SafeInteger = 0
    """The longest time of the proof: flows without an answer after it are unknown; 0 in older documents."""
    advice: Annotated[list[AdvicePart], MANY] = msgspec.field(default_factory=list)
    """About flows that the file decides: breaches by the file, and needed connections that it closes."""
    in_use: Annotated[list[UsePart], MANY] | None = None
    """The connections of the services that stood when the proof began; None where they were not read."""
    learned: LearnedPart | None = None
    """When the policy's lines were used last; None where that is not recorded."""

    def __post_init__(self) -> None:
        if any(f.vantage >= len(self.vantages) or f.endpoint >= len(self.endpoints) for f in self.flows):
            raise ValueError("a flow refers to a vantage or an endpoint that the document does not have")


class RunContext(Part, frozen=True):
    """The context of a run that the core cannot know: the tool, the host, the time and the duration."""

    tool: Tool
    machine: Machine
    started: Started
    duration_ms: SafeInteger
    patience_ms: SafeInteger
    notes: tuple[str, ...] = ()
    """The notes that precede all others."""
    not_probed: tuple[SkippedPart, ...] = ()
    """The parts of the project that were not probed: with any of them the proof is unproven."""
    findings: tuple[FindingPart, ...] = ()
    """The risks, the worst first."""
    deadline_ms: SafeInteger = 0
    """The longest time of the proof."""
    advice: tuple[AdvicePart, ...] = ()
    """What to do about flows that the file decides."""
    in_use: tuple[UsePart, ...] | None = None
    """The connections that stood when the proof began, None where they were not read."""
    learned: LearnedPart | None = None
    """When the policy's lines were used last, None where that is not recorded."""


def canonical(document: Part) -> bytes:
    """Return the canonical bytes of a document (RFC 8785), without a newline.

    The output of msgspec differs from RFC 8785 for keys that are not ASCII (it orders code points, not UTF-16
    units) and for numbers with a fraction or more than 53 bits. A document has neither: see `TotalsKey` and
    `SafeInteger`. Raises UnicodeEncodeError for a lone surrogate.
    """
    return msgspec.json.encode(document, order="sorted")


def canonical_chunks(document: Part) -> Iterator[bytes]:
    """Yield the canonical bytes in chunks: all bytes of a large proof would need as much memory as its flows."""
    for at, name in enumerate(sorted(_written_members(document))):
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


def _written_members(document: Part) -> Iterator[str]:
    """Yield the members that are written: all but those with a default that have their default (`omit_defaults`)."""
    for field in msgspec.structs.fields(document):
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        if default is msgspec.NODEFAULT or getattr(document, field.name) != default:
            yield field.name


def digest(document: Part) -> str:
    """Return the SHA-256 of a document's canonical bytes, in hexadecimal."""
    sha256 = hashlib.sha256()
    for chunk in canonical_chunks(document):
        sha256.update(chunk)
    return sha256.hexdigest()


def parse(document: bytes) -> Proof:
    """Return the proof of a JSON document, after its bytes and its verdict have been checked.

    Raises msgspec.ValidationError when it is not a proof, is not in canonical form, or contradicts itself: its verdict
    has to follow from its flows, policy and coverage.
    """
    proof = decode_canonical(document, Proof)
    if not verdict.is_canonical_time(proof.started):
        raise msgspec.ValidationError(f"started: {proof.started[:40]!r} is not written like {TIME_EXAMPLE}")
    check_consistency(proof)
    return proof


P = TypeVar("P", bound=Part)


def decode_canonical(document: bytes, form: type[P]) -> P:
    """Return the document of these bytes.

    Raises msgspec.ValidationError with the path of the first error, and NotCanonicalError when the bytes are not those
    that `canonical` writes: the SHA-256 of the file would not identify the document.
    """
    decoded = msgspec.json.decode(document, type=form)
    at = 0
    for chunk in canonical_chunks(decoded):
        if document[at : at + len(chunk)] != chunk:
            raise NotCanonicalError(NOT_CANONICAL)
        at += len(chunk)
    if at != len(document):
        raise NotCanonicalError(NOT_CANONICAL)
    return decoded


def check_consistency(document: Part) -> None:
    """Raise msgspec.ValidationError for the first contradiction between a document's parts."""
    if found := verdict.contradiction(document):
        raise msgspec.ValidationError(f"the document contradicts itself: {found}")


def schema() -> dict[str, object]:
    """Return the JSON Schema of the proof document."""
    return schema_of(Proof, "Cloison proof")


def schema_of(form: type[Part], title: str) -> dict[str, object]:
    """Return the JSON Schema of a document type."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **msgspec.json.schema(form),
    }
