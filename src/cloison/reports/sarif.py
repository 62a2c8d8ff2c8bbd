"""The SARIF report: one result a connection, at the line of the Compose file that decides it.

Input: a `Content` and the positions in the Compose files. Output: a SARIF 2.1.0 log as JSON.
Rules: a toleration is a suppressed result with its reason. The fingerprint of a result is its connection, so that it is
the same alert after lines have moved and the engine has chosen other addresses.
Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote

from cloison.compose.positions import Position, Positions
from cloison.model.flow import HOST, OUTSIDE, SERVICE_PREFIX, EndpointKind
from cloison.plan.schema import Plan
from cloison.reports.content import Content, Entry
from cloison.reports.sarif_rules import descriptor, rule_text
from cloison.verdict.judge import Judgement
from cloison_view.action_items import TOLERATED, Advise

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_RESULTS: Final = 25_000
"""GitHub rejects a run with more: https://docs.github.com/code-security/code-scanning (SARIF support)."""
Result = dict[str, Any]


def render(content: Content, positions: Positions) -> str:
    """Return the log."""
    found = [*_connections(content, positions), *_findings(content, positions)]
    references = {result["ruleId"]: result.pop("reference", "") for result in found}
    rules = [descriptor(rule, reference) for rule, reference in sorted(references.items())]
    index = {rule["id"]: i for i, rule in enumerate(rules)}
    run = {
        "tool": {"driver": {"name": "cloison", "version": content.document.tool.version, "rules": rules}},
        "automationDetails": {"id": f"cloison/{content.kind}/{content.project}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(content, len(found))],
        "results": [{**result, "ruleIndex": index[result["ruleId"]]} for result in found[:MAX_RESULTS]],
        "properties": {"verdict": content.word, "digest": f"sha256:{content.digest}"},
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _invocation(content: Content, results: int) -> dict[str, Any]:
    """Return how the command ended, and what it did not probe."""
    notes = [f"{what}: {why}" for what, why in content.gaps]
    if results > MAX_RESULTS:
        notes.append(f"{results - MAX_RESULTS:,} results are left out, the worst are first: --format json has all")
    return {
        "executionSuccessful": True,
        "exitCode": content.exit_code,
        "exitCodeDescription": content.headline,
        "toolExecutionNotifications": [{"level": "warning", "message": {"text": note}} for note in notes],
    }


def _connections(content: Content, positions: Positions) -> Iterator[Result]:
    advise = content.advise(content.summary)
    for entry in content.entries():
        connection = entry.connection
        rule = f"breach/{entry.cause or 'other'}" if entry.judgement == "breach" else entry.judgement
        name = f"{connection.source} -> {connection.target}:{connection.end.port_label}"
        yield {
            "ruleId": rule,
            "level": _level(entry, rule_text(rule).level),
            "message": {"text": _message(entry, advise)},
            "locations": [_location(positions.find(*_paths(content, entry)), name)],
            "partialFingerprints": _fingerprints(rule, connection.source, *_port_words(entry)),
            "suppressions": [_suppression(entry)] if entry.judgement == TOLERATED and not entry.is_failing else [],
        }


def _level(entry: Entry, usual: str) -> str:
    """Return the level of a result: an error where the command exits with 1 because of it, else the rule's own.

    A breach stays an error where nothing fails: a step that only writes the report runs with `--fail-on none`.
    """
    return "error" if entry.is_failing and entry.judgement != Judgement.UNKNOWN else usual


def _port_words(entry: Entry) -> tuple[str, ...]:
    end = entry.connection.end
    return end.place, end.protocol, end.numbers


def _message(entry: Entry, advise: Advise) -> str:
    last = f"Tolerated: {entry.toleration}" if entry.toleration else f"To do: {advise(entry.position).sentence}"
    return f"{entry.sentence}: {entry.reason}. {last}."


def _suppression(entry: Entry) -> dict[str, Any]:
    return {"kind": "inSource", "status": "accepted", "justification": entry.toleration or entry.policy_line}


def _paths(content: Content, entry: Entry) -> Iterator[str]:
    """Yield the paths of the keys that decide a connection, the one that says most first."""
    end = content.document.endpoints[content.document.flows[entry.position].endpoint]
    if entry.policy_line:
        yield entry.policy_line
    if end.kind is EndpointKind.PUBLISHED or entry.connection.source == OUTSIDE:
        yield f"services.{_service(end.place)}.ports"
    network = content.summary.records.network_labels.get(end.network, end.network)
    for place in (entry.connection.source, end.place):
        if place not in (HOST, OUTSIDE):
            if network:
                yield f"services.{_service(place)}.networks.{network}"
            yield f"services.{_service(place)}.networks"
            yield f"services.{_service(place)}"
    if network:
        yield f"networks.{network}"


def _service(place: str) -> str:
    return place.removeprefix(SERVICE_PREFIX)


def _findings(content: Content, positions: Positions) -> Iterator[Result]:
    """Yield the lint findings of a plan, or the risks of a proof."""
    if isinstance(content.document, Plan):
        for found in content.document.remarks:
            yield _finding(f"file/{found.kind}", found.says, found.where, positions.find(found.where))
        return
    services = {part.container: _service(part.place) for part in content.document.vantages if part.container}
    for risk in content.document.findings:
        path = f"services.{services[risk.where]}" if risk.where in services else "services"
        text = f"{risk.where}: {risk.sentence} ({risk.evidence})"
        yield {
            **_finding(f"risk/{risk.what}", text, risk.where, positions.find(path)),
            "reference": risk.source,
        }


def _finding(rule: str, text: str, where: str, position: Position | None) -> Result:
    return {
        "ruleId": rule,
        "level": rule_text(rule).level,
        "message": {"text": text},
        "locations": [_location(position, where)],
        "partialFingerprints": _fingerprints(rule, where, text if rule.startswith("file/") else ""),
        "suppressions": [],
    }


def _location(position: Position | None, name: str) -> dict[str, Any]:
    """Return a location; without a Compose file it has a name and no line."""
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": name}]}
    if position:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": ("file://" if position.file.startswith("/") else "") + quote(position.file)},
            "region": {"startLine": position.line, "startColumn": position.column},
        }
    return location


def _fingerprints(*words: str) -> dict[str, str]:
    """Return the identity of a result; the first key is the one that GitHub compares."""
    digest = _digest(words)
    return {"primaryLocationLineHash": digest, "cloisonResult/v1": digest}


def _digest(words: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()
