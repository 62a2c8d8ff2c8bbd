"""The rules of the SARIF report: what each kind of result means, and what to do about it.

Output: rows of text, and the SARIF object `reportingDescriptor` of a rule.
Rule: every result has a rule with help text; a kind of finding without a row of its own has the text of its family.
Source: SARIF 2.1.0, section 3.49: https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule says: a title, what it means, what to do, and how severe it is (a SARIF level)."""

    title: str
    meaning: str
    action: str
    level: str = "note"


CONNECTION_RULES: Final[Mapping[str, RuleText]] = {
    "breach/file": RuleText(
        "Open, and the Compose file opens it",
        "The policy does not name this connection, and the Compose file opens it: by a shared network, a published "
        "port or egress.",
        "Change the networks or the ports in the Compose file as the message proposes. If the connection is needed, "
        "add it to x-cloison.allow; if it is known and accepted, add it to x-cloison.tolerate with the reason.",
        "error",
    ),
    "breach/drift": RuleText(
        "Open, although the Compose file closes it",
        "The connection is open on the running engine and closed by the Compose file: something outside the file opens "
        "it, such as a rule of the firewall or a container that was connected by hand.",
        "Look for what differs from the file as the message says, remove it, and prove again.",
        "error",
    ),
    "breach/other": RuleText(
        "Open, and the Compose file does not decide it",
        "The policy does not name this connection, it is open, and the file alone does not say whether it should be.",
        "Close it at the engine or on the host, or name it in the policy.",
        "error",
    ),
    "broken": RuleText(
        "Needed, and closed",
        "The policy allows this connection because the project needs it, and it is closed.",
        "Give both services a network in common, publish the port, or remove the line from x-cloison.allow.",
        "error",
    ),
    "unknown": RuleText(
        "Neither open nor closed for certain",
        "There is no answer that says whether this connection is open. Without an answer nothing is proven.",
        "See the message for the reason, remove it, and prove again.",
        "warning",
    ),
    "tolerated": RuleText(
        "Open, and tolerated by the policy",
        "The connection is open and not needed, and the policy tolerates it with a reason.",
        "Nothing, as long as the reason holds. With --strict it counts as a breach.",
    ),
}
"""By the judgement, and for a breach its cause."""
LINT_RULES: Final[Mapping[str, RuleText]] = {
    "published": RuleText(
        "A port of the host forwards to a service",
        "Every machine that reaches the host at the named address reaches the service.",
        "Publish on 127.0.0.1 what only the host needs, and remove what nobody needs.",
    ),
    "unpublished": RuleText(
        "A port in the file is not published by the engine",
        "The engine ignores the port, for the reason in the message.",
        "Remove the port from the file, or change what makes the engine ignore it.",
    ),
    "egress": RuleText(
        "A service reaches the internet",
        "One of its networks is not internal, so a compromised service can send data anywhere.",
        "Make the networks internal of a service that needs no egress.",
    ),
    "bridges": RuleText(
        "A service is on several networks",
        "Whoever compromises the service is on all of these networks.",
        "Keep such services few, and give each network one purpose.",
    ),
    "host-mode": RuleText(
        "A service uses the network of the host",
        "It has every interface and port of the host, and no isolation applies to it.",
        "Use a network of its own and publish its ports.",
    ),
    "company": RuleText(
        "Services share a network without need",
        "They reach each other on every port, and the policy needs no connection between them.",
        "Split the network: `cloison plan` proposes how.",
    ),
    "undeclared": RuleText(
        "The policy names a port that the file does not declare",
        "The plan assumes that a process listens there.",
        "Declare the port with `expose`, or correct the line of the policy.",
    ),
    "untold": RuleText(
        "The file does not say what a network is",
        "It is external, or has a driver or an option that is not predicted.",
        "State what external networks are with --external, or prove the running project.",
    ),
    "ipv6": RuleText(
        "A network has IPv6 that the engine does not filter",
        "What is closed over IPv4 may be open over IPv6.",
        "Turn IPv6 off on this network, or use an engine that filters it.",
    ),
    "replicas": RuleText(
        "The plan models fewer replicas than the file has",
        "The others are predicted alike.",
        "Nothing: all replicas of a service have the same networks.",
    ),
}
"""By the kind of a lint finding of a plan."""
RISK_RULE: Final = RuleText(
    "A right or resource that weakens isolation",
    "A container or the engine has something that an attacker inside a container can use. It changes no verdict.",
    "Remove it if the service works without it; the reference explains it.",
    "warning",
)
"""For every other finding."""


def rule_text(rule: str) -> RuleText:
    """Return the text of a rule: of a connection, `file/KIND` for a lint finding, `risk/KIND` for a risk."""
    family, _, kind = rule.partition("/")
    if family == "file":
        return LINT_RULES.get(kind, RISK_RULE)
    return RISK_RULE if family == "risk" else CONNECTION_RULES[rule]


def descriptor(rule: str, reference: str = "") -> dict[str, Any]:
    """Return the reportingDescriptor of a rule; `reference` is the address of a page about it, where there is one."""
    text = rule_text(rule)
    family, _, kind = rule.partition("/")
    title = f"{text.title} ({kind})" if text is RISK_RULE else text.title
    help_lines = f"{text.meaning}\n\n{text.action}"
    return {
        "id": rule,
        "name": "".join(word.capitalize() for word in rule.replace("/", "-").split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": text.meaning},
        "help": {"text": help_lines, "markdown": f"**{title}.** {help_lines}"},
        "defaultConfiguration": {"level": text.level},
        "properties": {"tags": ["security", "network", family]},
        **({"helpUri": reference} if reference.startswith("https://") else {}),
    }
