"""Proves a project: in this process where it may enter network namespaces, else through the agent.

Input: the selection of a project, a time-out, and a function that receives progress messages. Output: the proof.
Rule: both ways run `local_proof.prove_locally`, so the document is the same. The agent's response is validated like
any document from outside.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.engine import compose_cli
from cloison.errors import NotProven
from cloison.linux import netns
from cloison.remote import protocol as remote_protocol
from cloison.remote.protocol import (
    AgentMessage,
    AgentRequest,
    ComposeUpRequest,
    ComposeUpResult,
    ErrorResponse,
    ProofResponse,
)
from cloison.workflow import imports, local_proof
from cloison.workflow.policy_source import with_policy
from cloison.workflow.request import PolicySource, Request

if TYPE_CHECKING:
    from cloison.proof.schema import Proof
    from cloison.remote.agent_container import Agent

INVALID_ANSWER: Final = "the agent on the engine's machine sent an invalid message"
MAX_DEADLINE: Final = 3600
"""Seconds after which the default deadline of every proof has passed: it has 890,000 flows then."""
AGENT_SECONDS: Final = 600
"""Seconds that the agent may take beside its proof: to start, and to make and remove the project of a rehearsal."""
PROBE_MODULES: Final = (
    "cloison.engine.connection",
    "cloison.engine.select",
    "cloison.observe.session",
    "cloison.workflow.standing",
)
"""Modules that a proof needs before its probes; importing them takes longer than Compose takes to resolve a file."""
AGENT_MODULES: Final = ("cloison.remote.agent_container",)
"""Those that a proof through an agent needs; the others use interfaces of Linux."""


def prove(request: Request, progress: Callable[[str], None] = lambda _: None) -> Proof:
    """Prove a running project.

    Raises a CloisonError if there is nothing to judge: see `errors`.
    """
    progress("resolving the Compose file")
    document = resolved(request.selection, request.policy_source, *probe_modules())
    proof = run_request(
        AgentRequest(dict(document), request.timeout, is_rehearsal=False, deadline=request.deadline), progress
    )
    from cloison.findings.container_states import ORPHAN  # the audit has imported it

    if not any(finding.what == ORPHAN for finding in proof.findings):
        return proof
    return with_profiles(proof, compose_cli.profiles(request.selection))


def probe_modules(*local: str) -> tuple[str, ...]:
    """Return the modules that a proof needs on this system; `local` are further ones where probes can be sent."""
    if sys.platform != "linux":
        return AGENT_MODULES
    return (*local, *PROBE_MODULES, *(() if netns.can_enter() else AGENT_MODULES))


def with_profiles(proof: Proof, profiles: Mapping[str, Collection[str]]) -> Proof:
    """Return the proof whose orphans have the advice to add their profile, where the file has one for the service.

    The agent has no Compose files, so the profiles of the services that are not active are asked for here.
    """
    from cloison.findings.container_states import ORPHAN, behind_profile, orphan_evidence

    known = {orphan_evidence(service): names for service, names in profiles.items()}
    findings = [
        msgspec.structs.replace(finding, sentence=behind_profile(known[finding.evidence]))
        if finding.what == ORPHAN and finding.evidence in known
        else finding
        for finding in proof.findings
    ]
    return msgspec.structs.replace(proof, findings=findings)


def resolved(selection: compose_cli.Selection, source: PolicySource, *modules: str) -> Mapping[str, Any]:
    """Return the document of a selection with the policy that counts; `modules` are imported while Compose runs."""
    return with_policy(imports.resolved(selection, *modules), selection, source)


def run_request(request: AgentRequest, progress: Callable[[str], None]) -> Proof:
    """Prove or rehearse a request, in this process or through the agent.

    Raises a CloisonError if there is nothing to judge: see `errors`.
    """
    from cloison.engine import connection  # resolved() has imported this module

    policy.policy(compose_project.project(request.document))  # an invalid policy is an error before anything is made
    with connection.engine_connection() as engine:
        if not (netns.can_enter() and engine.is_local()):
            from cloison.remote import agent_container

            with agent_container.running_agent(engine, progress) as (agent, lock):
                return _prove_by_agent(agent, lock, request, progress)
    return local_proof.prove_locally(request, progress)


def _prove_by_agent(agent: Agent, lock: int, request: AgentRequest, progress: Callable[[str], None]) -> Proof:
    agent.send(
        remote_protocol.encode(msgspec.structs.replace(request, document=remote_protocol.redact(request.document)))
    )
    imports.import_late()
    ends = time.monotonic() + (request.deadline or MAX_DEADLINE) + AGENT_SECONDS
    for line in agent.messages():
        if time.monotonic() > ends:
            raise NotProven("the agent on the engine's machine has not ended its proof in time")
        message = _decode_message(line)
        if isinstance(message, ProofResponse):
            return _parse_proof(bytes(message.proof))
        if isinstance(message, ErrorResponse):
            raise remote_protocol.to_exception(message)
        if isinstance(message, ComposeUpRequest):
            agent.send(remote_protocol.encode(_start_environment(message, lock)))
        elif message.sentence:
            progress(message.sentence)
    raise NotProven(INVALID_ANSWER)


def _decode_message(line: bytes) -> AgentMessage:
    try:
        return remote_protocol.decode_message(line)
    except msgspec.DecodeError as error:
        raise NotProven(f"{INVALID_ANSWER}: {error}") from error


def _parse_proof(document: bytes) -> Proof:
    from cloison.proof import schema as proof_schema

    try:
        return proof_schema.parse(document)
    except msgspec.DecodeError as error:
        raise NotProven(f"{INVALID_ANSWER}: {error}") from error


def _start_environment(message: ComposeUpRequest, lock: int) -> ComposeUpResult:
    result = compose_cli.start(message.name, message.document, inherit_fd=lock)
    return ComposeUpResult(result.code, result.out, result.err)
