"""The bodies of webhooks."""

import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cloison_view import webhook_signature
from cloison_view.project_events import Kind
from ledger.notifications import formats
from ledger.notifications.formats import Message

MESSAGE = Message(
    id="msg_1",
    project="shop",
    kind=Kind.BREACH,
    at=datetime(2026, 1, 2, 3, 4, 5, 678000),  # noqa: DTZ001 - UTC, as the database stores it
    summary="A connection is open and must be closed: <!channel> @all → db 3306/tcp.",
    digest="ab" * 32,
    details={"verdict": "breached", "connections": [], "total": 1},
    link="https://ledger.example/projects/shop",
)


def test_the_signature_is_that_of_the_specification_s_example() -> None:
    """The example of the specification's own libraries (Standard Webhooks, test of the Python reference library)."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'

    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == webhook_signature.signature(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body
    )


def test_a_receiver_can_check_the_generic_format() -> None:
    secret = formats.new_secret()
    post = formats.post("json", MESSAGE, secret, 1700000000)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.body

    assert post.headers["webhook-signature"] == "v1," + base64.b64encode(
        hmac.new(key, signed, hashlib.sha256).digest()
    ).decode("ascii")
    assert {
        "type": "project.breach",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "data": {
            "project": "shop",
            "title": "shop: became a breach",
            "summary": MESSAGE.summary,
            "proof": "ab" * 32,
            "url": "https://ledger.example/projects/shop",
            "verdict": "breached",
            "connections": [],
            "total": 1,
        },
    } == json.loads(post.body)


def test_the_receiver_of_the_documentation_knows_a_genuine_message_from_others() -> None:
    page = (Path(__file__).parents[4] / "docs" / "notifications.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the page's own lines
    is_genuine = names["is_genuine"]
    secret, now = formats.new_secret(), int(time.time())
    post, old = (formats.post("json", MESSAGE, secret, moment) for moment in (now, now - 3600))

    assert is_genuine(secret, post.headers, post.body)
    assert not is_genuine(secret, post.headers, post.body + b" ")
    assert not is_genuine(formats.new_secret(), post.headers, post.body)
    assert not is_genuine(secret, {**post.headers, "webhook-id": "msg_2"}, post.body)
    assert not is_genuine(secret, old.headers, old.body)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_a_short_or_strange_secret_is_none(secret: str) -> None:
    assert not webhook_signature.is_signing_secret(secret)
    assert webhook_signature.is_signing_secret(formats.new_secret())


@pytest.mark.parametrize("name", ["slack", "mattermost"])
def test_a_chat_gets_a_text_in_which_a_name_calls_nobody(name: str) -> None:
    text = json.loads(formats.post(name, MESSAGE, "", 0).body)["text"]

    assert "shop: became a breach" in text
    assert "https://ledger.example/projects/shop" in text
    assert "<!channel>" not in text
    assert "@all" not in text


def test_ntfy_gets_a_text_with_headers() -> None:
    post = formats.post("ntfy", MESSAGE, "tk_secret", 0)

    assert MESSAGE.summary == post.body.decode()
    assert ("shop: became a breach", "urgent", "Bearer tk_secret") == tuple(
        post.headers[name] for name in ("Title", "Priority", "Authorization")
    )
    assert "Authorization" not in formats.post("ntfy", MESSAGE, "", 0).headers
    assert "default" == formats.post("ntfy", replace(MESSAGE, kind=Kind.NORMAL), "", 0).headers["Priority"]


def test_gotify_gets_its_token_in_a_header() -> None:
    post = formats.post("gotify", MESSAGE, "token", 0)

    assert "token" == post.headers["X-Gotify-Key"]
    assert 10 == json.loads(post.body)["priority"]
    assert "extras" not in json.loads(formats.post("gotify", replace(MESSAGE, link=""), "token", 0).body)


@pytest.mark.parametrize("name", formats.FORMATS)
@pytest.mark.parametrize("kind", Kind)
def test_every_format_can_tell_every_kind(name: str, kind: Kind) -> None:
    post = formats.post(name, replace(MESSAGE, kind=kind), formats.new_secret(), 0)

    assert post.body
    assert all(value.isascii() and "\n" not in value for value in post.headers.values())
