"""Messages of the webhook: signed, in their order, repeated with the same identifier, and bounded."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.unit.engine.fake_event_engine import until

from cloison.errors import UsageError
from cloison.watch import webhook as watch_webhook
from cloison.watch.webhook import MOST_WAITING, Receiver, Webhook, receiver, secret_taken
from cloison_view import webhook_signature

SECRET = "whsec_" + "QUJD" * 8


class Hook(ThreadingHTTPServer):
    """A receiver that answers with the statuses of a list, then with 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.received: list[tuple[dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Take a message, or refuse it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def webhook(hook: Hook, pause: float = 0.02) -> tuple[Webhook, list[str], list[str]]:
    """Return a sender to the receiver, its sentences and its counts."""
    said: list[str] = []
    counted: list[str] = []
    to = Receiver(f"http://127.0.0.1:{hook.server_address[1]}/a-secret-path", SECRET)
    return Webhook(to, said.append, counted.append, (pause,)), said, counted


def test_messages_are_signed_and_repeated_in_their_order(hook: Hook) -> None:
    hook.statuses = [500, 302]
    sender, said, counted = webhook(hook)
    sender.send({"type": "project.breach"})
    sender.send({"type": "project.normal"})
    until(lambda: counted == ["sent", "sent"])
    sender.close()

    types = [json.loads(body)["type"] for _, body in hook.received]
    assert ["project.breach"] * 3 + ["project.normal"] == types
    assert 2 == len({headers["webhook-id"] for headers, _ in hook.received})
    assert ["the webhook did not take a message: it answered 500; it is tried again for a day"] == said
    for headers, body in hook.received:
        moment = int(headers["webhook-timestamp"])
        expected = webhook_signature.signature(SECRET, headers["webhook-id"], moment, body)
        assert expected == headers["webhook-signature"]


def test_a_receiver_that_is_away_holds_a_bounded_number_and_its_address_is_not_told(hook: Hook) -> None:
    hook.server_close()
    sender, said, counted = webhook(hook, pause=60)
    for number in range(MOST_WAITING + 3):
        sender.send({"number": number})
    until(lambda: any("no connection" in sentence for sentence in said))
    sender.close()

    assert counted.count("dropped") >= 3
    assert "failed" in counted
    assert not any("a-secret-path" in sentence for sentence in said)


def test_a_message_is_given_up_in_the_end(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_webhook, "GIVE_UP_AFTER", 0)
    hook.statuses = [503]
    sender, said, counted = webhook(hook)
    sender.send({})
    until(lambda: counted)
    sender.close()

    assert ["failed"] == counted
    assert said[0].endswith("it answered 503; it is given up")


def test_the_secret_comes_from_a_file_or_the_environment_and_stays_there(tmp_path: Path) -> None:
    variables = {"CLOISON_WEBHOOK_SECRET": SECRET, "PATH": "/bin"}
    taken = secret_taken(variables)
    (tmp_path / "secret").write_text(SECRET + "\n")

    assert ({"PATH": "/bin"}, {}) == (variables, secret_taken(variables))
    assert receiver("https://a.example/", None, taken) == receiver("https://a.example/", tmp_path / "secret", {})
    assert SECRET not in repr(receiver("https://a.example/", None, taken))


@pytest.mark.parametrize(
    ("url", "secret", "says"),
    [
        ("ftp://a.example", SECRET, "this is not an address"),
        ("https:///hook", SECRET, "this is not an address"),
        ("https://a.example", "", "needs a secret for its signatures in CLOISON_WEBHOOK_SECRET"),
        ("https://a.example", "whsec_c2hvcnQ=", "24 to 64 bytes"),
    ],
)
def test_a_wrong_address_or_secret_is_one_sentence(url: str, secret: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        receiver(url, None, {"CLOISON_WEBHOOK_SECRET": secret})


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        receiver("https://a.example", tmp_path / "none", {})
