"""The bodies of webhooks: a table of formats.

Input: a message. Output: what is posted. No input or output of its own.

The format `json` is signed: see `cloison_view.webhook_signature`. The others are the formats of their services, which
have no signature: the address or the token is their secret.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
https://docs.ntfy.sh/publish/ https://gotify.net/docs/pushmsg https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/
https://developers.mattermost.com/integrate/webhooks/incoming/
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cloison_view.project_events import TITLES, Kind
from cloison_view.webhook_signature import SECRET_PREFIX, signed_headers

SECRET_BYTES: Final = 32  # the specification asks for 24 to 64

NTFY_PRIORITIES: Final[Mapping[str, str]] = {Kind.BREACH: "urgent", Kind.NORMAL: "default", Kind.TEST: "default"}
NTFY_TAGS: Final[Mapping[str, str]] = {Kind.NORMAL: "white_check_mark", Kind.TEST: "wrench"}
GOTIFY_PRIORITIES: Final[Mapping[str, int]] = {Kind.BREACH: 10, Kind.NORMAL: 4, Kind.TEST: 4}
SYMBOLS: Final[Mapping[str, str]] = {Kind.NORMAL: "✅", Kind.TEST: "🔧"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one channel; `link` is empty where the ledger does not know its own address."""

    id: str
    project: str
    kind: Kind
    at: datetime
    summary: str
    digest: str
    details: Mapping[str, Any]
    link: str

    @property
    def title(self) -> str:
        """The project and the kind of the event, in a few words."""
        return f"{self.project}: {TITLES[self.kind]}"


@dataclass(frozen=True, slots=True)
class Post:
    """What is posted: headers and a body."""

    headers: Mapping[str, str]
    body: bytes


def new_secret() -> str:
    """Return a secret for signatures, in the specification's form."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def document(message: Message) -> dict[str, Any]:
    """Return a message as the document of the generic format; docs/notifications.md describes its members."""
    return {
        "type": f"project.{message.kind}",
        "timestamp": f"{message.at.isoformat(timespec='milliseconds')}Z",
        "data": {
            "project": message.project,
            "title": message.title,
            "summary": message.summary,
            "proof": message.digest or None,
            "url": message.link or None,
            **message.details,
        },
    }


def post(name: str, message: Message, secret: str, timestamp: int) -> Post:
    """Return what is posted in the format `name`; `secret` is the channel's, `timestamp` the seconds since 1970."""
    return FORMATS[name](message, secret, timestamp)


def _generic(message: Message, secret: str, timestamp: int) -> Post:
    body = _json(document(message))
    return Post(signed_headers(secret, message.id, timestamp, body), body)


def _chat(message: Message, _secret: str, _timestamp: int) -> Post:
    lines = [f"{SYMBOLS.get(message.kind, '🚨')} *{_escape(message.title)}*", _escape(message.summary)]
    text = "\n".join(lines + ([message.link] if message.link else []))
    return Post({"Content-Type": "application/json"}, _json({"text": text}))


def _markdown_chat(message: Message, _secret: str, _timestamp: int) -> Post:
    lines = [f"{SYMBOLS.get(message.kind, '🚨')} **{_escape(message.title)}**", _escape(message.summary)]
    text = "\n".join(lines + ([message.link] if message.link else []))
    return Post({"Content-Type": "application/json"}, _json({"text": text}))


def _ntfy(message: Message, secret: str, _timestamp: int) -> Post:
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Title": message.title,  # a project's name is ASCII
        "Priority": NTFY_PRIORITIES.get(message.kind, "high"),
        "Tags": NTFY_TAGS.get(message.kind, "rotating_light"),
    }
    headers |= {"Click": message.link} if message.link else {}
    headers |= {"Authorization": f"Bearer {secret}"} if secret else {}
    return Post(headers, message.summary.encode())


def _gotify(message: Message, secret: str, _timestamp: int) -> Post:
    content: dict[str, Any] = {
        "title": message.title,
        "message": message.summary,
        "priority": GOTIFY_PRIORITIES.get(message.kind, 8),
    }
    if message.link:
        content["extras"] = {"client::notification": {"click": {"url": message.link}}}
    return Post({"Content-Type": "application/json", "X-Gotify-Key": secret}, _json(content))


def _escape(text: str) -> str:
    """Return a text in which a name is no markup: `<!channel>` or `@all` would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


FORMATS: Final[Mapping[str, Callable[[Message, str, int], Post]]] = {
    "json": _generic,
    "ntfy": _ntfy,
    "slack": _chat,
    "mattermost": _markdown_chat,
    "gotify": _gotify,
}
EMAIL: Final = "email"
FORMAT_LABELS: Final[Mapping[str, str]] = {
    "json": "Webhook: JSON, signed (Standard Webhooks)",
    "ntfy": "ntfy",
    "slack": "Slack",
    "mattermost": "Mattermost",
    "gotify": "Gotify",
    EMAIL: "E-mail",
}
