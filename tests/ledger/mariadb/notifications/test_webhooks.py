"""Messages to a real HTTP receiver: what it gets, and what becomes of a message that it does not take."""

import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from tests.ledger.mariadb.conftest import own_tables
from tests.ledger.mariadb.notifications.conftest import Shop
from tests.ledger.mariadb.notifications.receivers import DRIP, HANG, NONSENSE, RESET, Receiver, certificate, receiver

from cloison_view import webhook_signature
from ledger import clock as ledger_clock
from ledger.archive import backup, restore
from ledger.notifications import channels, deliveries, notifier, watches
from ledger.notifications.deliveries import DeliveryRecord


def outcome(shop: Shop) -> DeliveryRecord:
    """Return what became of the newest message."""
    (found,) = shop.events()[-1].deliveries
    return found


def titles(hook: Receiver) -> list[str]:
    """Return what the receiver was told."""
    return [json.loads(one.body)["type"].removeprefix("project.") for one in hook.received]


def test_a_breach_and_its_end_arrive_once_each_and_signed(shop: Shop, hook: Receiver) -> None:
    secret = shop.add_channel(hook.url())
    for state in ("shut", "open", "open", "shut", "shut"):
        shop.prove(web=state)
        shop.send()
    shop.send()

    assert ["breach", "normal"] == titles(hook)
    first, second = hook.received
    assert "/hook/secret-path" == first.path
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    timestamp = int(first.headers["webhook-timestamp"])
    assert abs(timestamp - time.time()) < 60
    assert first.headers["webhook-signature"] == webhook_signature.signature(
        secret, first.headers["webhook-id"], timestamp, first.body
    )
    data = json.loads(first.body)["data"]
    assert "https://ledger.example/projects/shop" == data["url"]
    assert [{"source": "web", "target": "db", "protocol": "tcp", "port": 3306}] == data["connections"]
    assert outcome(shop).sent


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (500, "answered 500."),
        (404, "answered 404."),
        (302, "answered 302: redirects are not followed; use the address that it leads to."),
        (307, "answered 307: redirects are not followed; use the address that it leads to."),
        (RESET, "connection reset by peer."),
        (HANG, "no answer in time."),
        (DRIP, "no answer in time."),
        (NONSENSE, "the answer is not one of HTTP."),
    ],
)
def test_what_a_receiver_does_not_take_is_repeated_later(
    shop: Shop, hook: Receiver, answer: int | str, error: str
) -> None:
    hook.answers = [answer, 200]
    shop.add_channel(hook.url())
    shop.prove(web="open")
    begun = time.monotonic()
    assert 1 == shop.send()
    assert time.monotonic() - begun < 5

    assert error == outcome(shop).error
    assert (None, None) == (outcome(shop).sent, outcome(shop).given_up)
    assert 0 == shop.send()  # it waits
    shop.pass_time(seconds=15)
    assert 1 == shop.send()
    assert outcome(shop).sent
    assert ["breach", "breach"] == titles(hook)
    assert 1 == len({one.headers["webhook-id"] for one in hook.received})
    assert {"/hook/secret-path"} == {one.path for one in hook.received}


def test_nobody_listens(shop: Shop) -> None:
    with receiver() as gone:
        address = gone.url()
    shop.add_channel(address)
    shop.prove(web="open")
    shop.send()

    assert "no connection: connection refused." == outcome(shop).error


def test_a_message_is_given_up_after_a_day_and_the_next_one_goes_on(shop: Shop, hook: Receiver) -> None:
    hook.answers = [503]
    shop.add_channel(hook.url())
    shop.prove(web="open")
    attempts = 0
    for _ in range(60):
        attempts += shop.send()
        shop.pass_time(minutes=30)
    assert 10 < attempts < 35
    assert outcome(shop).given_up
    assert ("ops",) == shop.do(lambda c: watches.notices(c, "shop", ledger_clock.now())).failing

    hook.answers = [200]
    shop.prove(web="shut")
    shop.send()

    assert outcome(shop).sent
    assert () == shop.do(lambda c: watches.notices(c, "shop", ledger_clock.now())).failing


def test_a_receiver_that_is_gone_for_good_is_believed(shop: Shop, hook: Receiver) -> None:
    hook.answers = [410]
    shop.add_channel(hook.url())
    shop.prove(web="open")
    shop.send()

    assert outcome(shop).given_up


def test_the_end_never_overtakes_the_breach(shop: Shop, hook: Receiver) -> None:
    hook.answers = [500, 200]
    shop.add_channel(hook.url())
    shop.prove(web="open")
    shop.send()
    shop.prove(web="shut")
    assert 0 == shop.send()
    shop.pass_time(seconds=15)
    shop.send()

    assert ["breach", "breach", "normal"] == titles(hook)


def test_a_receiver_that_hangs_delays_no_other(shop: Shop, hook: Receiver) -> None:
    with receiver() as slow:
        slow.answers = [HANG]
        shop.add_channel(slow.url(), name="slow")
        shop.add_channel(hook.url(), name="quick")
        shop.prove(web="open")
        sender = shop.notifier
        running = threading.Thread(target=sender.run)
        running.start()
        begun = time.monotonic()
        while not hook.received and time.monotonic() - begun < 5:
            time.sleep(0.02)
        taken = time.monotonic() - begun
        sender.stop()
        running.join()

    assert taken < 0.9  # the slow one's second has not passed


def test_many_notifiers_at_once_send_each_message_once(shop: Shop, hook: Receiver) -> None:
    for number in range(10):
        shop.add_channel(hook.url(), name=f"c{number}")
    shop.prove(web="open")
    shop.prove(web="shut")
    running = [threading.Thread(target=shop.send) for _ in range(6)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    shop.send()

    ids = [one.headers["webhook-id"] for one in hook.received]
    assert 20 == len(ids) == len(set(ids))


def test_a_notifier_that_dies_is_replaced_when_its_lease_ends(shop: Shop, hook: Receiver) -> None:
    shop.add_channel(hook.url())
    shop.prove(web="open")
    dead = shop.do(lambda c: deliveries.take(c, ledger_clock.now(), ""))
    assert dead is not None
    assert 0 == shop.send()
    shop.pass_time(seconds=deliveries.LEASE.total_seconds() + 1)
    shop.send()
    # What the dead one's ghost records afterwards changes nothing.
    shop.do(lambda c: deliveries.set_failed(c, dead, "late", ledger_clock.now(), is_final=True))

    assert ["breach"] == titles(hook)
    assert (outcome(shop).sent is not None, None) == (True, outcome(shop).given_up)
    assert hook.received[0].headers["webhook-id"] == dead.message.id


def test_a_message_that_was_taken_while_the_database_went_away_is_not_sent_again(
    shop: Shop, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add_channel(hook.url())
    shop.prove(web="open")
    away = iter(range(3))

    def lose(*args: Any) -> None:
        if str(args[2]).startswith("UPDATE delivery SET sent") and next(away, None) is not None:
            raise OperationalError("UPDATE", {}, Exception("the database went away"))

    monkeypatch.setattr(notifier, "POLL", 0.05)
    event.listen(shop.engine, "before_cursor_execute", lose)
    try:
        shop.send()
    finally:
        event.remove(shop.engine, "before_cursor_execute", lose)
    shop.pass_time(hours=1)
    shop.send()

    assert ["breach"] == titles(hook)
    assert outcome(shop).sent


def test_a_restored_ledger_tells_nothing_twice(shop: Shop, hook: Receiver) -> None:
    shop.add_channel(hook.url())
    shop.prove(web="open")
    stored = io.BytesIO()
    backup.write(shop.engine, stored)  # before the message is sent
    shop.send()
    with shop.engine.begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for table in own_tables(shop.engine):
            connection.execute(text(f"DELETE FROM `{table}`"))  # noqa: S608 - the name is the database's own
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
    restore.read(shop.engine, io.BytesIO(stored.getvalue()))
    shop.prove(web="open")
    shop.send()
    assert ["breach"] == titles(hook)

    shop.prove(web="shut")
    shop.send()

    assert ["breach", "normal"] == titles(hook)
    assert ["breach", "normal"] == shop.kinds()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "0x7f.1"])
def test_a_private_address_is_not_reached_unless_the_operator_allows_it(other: Shop, hook: Receiver, host: str) -> None:
    other.add_channel(f"http://{host}:{hook.port}/")
    other.prove(web="open")
    other.send()

    assert [] == hook.received
    assert "LEDGER_NOTIFY_NETWORKS" in outcome(other).error


def test_a_certificate_is_checked(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, context = certificate(tmp_path)
    with receiver(context) as hook:
        shop.add_channel(f"https://localhost:{hook.port}/")
        shop.add_channel(f"https://127.0.0.1:{hook.port}/", name="other name")
        shop.send_test()
        shop.send()
        assert "the certificate is not valid (self-signed certificate)." == outcome(shop).error
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        shop.pass_time(seconds=15)
        shop.send()
        assert outcome(shop).sent
        shop.send_test("other name")
        shop.send()

    assert 1 == len(hook.received)
    assert "the certificate is not valid" in outcome(shop).error


@pytest.mark.parametrize(
    ("kind", "secret"), [("ntfy", "tk_1"), ("slack", ""), ("mattermost", ""), ("gotify", "app-token")]
)
def test_each_service_gets_its_own_body(shop: Shop, hook: Receiver, kind: str, secret: str) -> None:
    shop.add_channel(hook.url("/hook?a=1"), kind=kind, secret=secret)
    shop.prove(web="open")
    shop.send()
    (got,) = hook.received

    assert "/hook?a=1" == got.path
    assert "webhook-signature" not in got.headers
    assert "became a breach" in got.body.decode() + got.headers.get("title", "")


def test_a_changed_address_is_tried_at_once(shop: Shop, hook: Receiver) -> None:
    with receiver() as gone:
        address = gone.url()
    shop.add_channel(address)
    shop.prove(web="open")
    shop.send()
    number, channel = shop.number(), shop.channel()
    shop.do(lambda c: channels.change(c, number, channel, target=hook.url(), secret="", now=ledger_clock.now()))
    shop.send()

    assert ["breach"] == titles(hook)


def test_a_removed_channel_gets_nothing_more(shop: Shop, hook: Receiver) -> None:
    shop.add_channel(hook.url())
    shop.prove(web="open")
    shop.do(lambda c: channels.remove(c, shop.number(), shop.channel()))

    assert 0 == shop.send()
    assert ["breach"] == shop.kinds()


def test_neither_log_nor_database_error_has_a_secret(
    shop: Shop, hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    hook.answers = [500, RESET, 200]
    secret = shop.add_channel(hook.url())
    shop.prove(web="open")
    with caplog.at_level("INFO"):
        for _ in range(3):
            shop.send()
            shop.pass_time(hours=2)
    with shop.engine.connect() as connection:
        errors = list(connection.scalars(text("SELECT error FROM delivery")))
    said = " ".join([*errors, *(repr(vars(record)) for record in caplog.records)])
    taken = shop.do(lambda c: deliveries.take(c, ledger_clock.now(), ""))

    assert outcome(shop).sent
    assert "secret-path" not in said
    assert secret not in said
    assert "secret-path" not in repr(taken)


def test_a_test_message_goes_to_one_channel_and_is_no_event_of_the_feed(shop: Shop, hook: Receiver) -> None:
    shop.add_channel(hook.url())
    shop.add_channel(hook.url("/another"), name="another")
    shop.send_test()
    shop.send_test()
    shop.send()

    assert ["test", "test"] == titles(hook)
    assert {"/hook/secret-path"} == {one.path for one in hook.received}
    assert [] == shop.do(lambda c: deliveries.recent(c, shop.number(), with_tests=False))
