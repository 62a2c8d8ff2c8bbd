"""Events are recorded with the proof that causes them, once, whoever looks and how often."""

import threading

import pytest
from sqlalchemy import Engine, text
from tests.ledger.mariadb.notifications.conftest import Shop
from tests.ledger.sample_proofs import add_project, proof

from ledger import clock as ledger_clock
from ledger.accounts.errors import InputError
from ledger.archive.store import Archive
from ledger.notifications import record, watches


def test_a_life_of_a_project_is_told_once_each(shop: Shop) -> None:
    for state in ("shut", "open", "open", "shut", "broken", "unknown", "shut", "shut"):
        shop.prove(web=state)

    assert ["breach", "normal", "broken", "unproven", "normal"] == shop.kinds()
    assert "web → db 3306/tcp" in shop.events()[0].summary


def test_a_second_breach_is_told_while_the_first_is_still_there(shop: Shop) -> None:
    shop.prove(web="open", cache="shut")
    shop.prove(web="open", cache="open")
    shop.prove(web="shut", cache="open")

    assert ["breach", "breach"] == shop.kinds()
    assert "cache" in shop.events()[1].summary
    assert "web" not in shop.events()[1].summary


def test_a_proof_that_arrives_late_or_twice_is_no_event(shop: Shop) -> None:
    shop.prove(web="shut", minute=10)
    shop.prove(web="open", minute=5)
    shop.prove(web="open", minute=11)
    shop.prove(web="open", minute=11)

    assert ["breach"] == shop.kinds()


def test_proofs_that_are_sent_at_once_tell_a_breach_once(shop: Shop) -> None:
    bodies = [proof(minute, web="open") for minute in range(8)]
    threads = [threading.Thread(target=Archive(shop.engine).save, args=("shop", body)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ["breach"] == [kind for kind in shop.kinds() if kind != "normal"]


def test_a_project_without_a_recent_proof_is_told_once_and_the_next_proof_ends_it(shop: Shop) -> None:
    shop.prove(web="shut")
    shop.pass_time(hours=45)
    assert 0 == record.record_overdue(shop.engine, ledger_clock.now())
    shop.pass_time(hours=5)
    looks = [threading.Thread(target=record.record_overdue, args=(shop.engine, ledger_clock.now())) for _ in range(4)]
    for look in looks:
        look.start()
    for look in looks:
        look.join()
    record.record_overdue(shop.engine, ledger_clock.now())
    assert ["overdue"] == shop.kinds()
    assert "No proof has arrived for 51 hours" in shop.events()[0].summary

    shop.prove(web="shut")

    assert ["overdue", "normal"] == shop.kinds()
    assert 0 == record.record_overdue(shop.engine, ledger_clock.now())


def test_a_breach_is_told_again_when_proofs_arrive_again(shop: Shop) -> None:
    shop.prove(web="open")
    shop.pass_time(days=3)
    record.record_overdue(shop.engine, ledger_clock.now())
    shop.prove(web="open")

    assert ["breach", "overdue", "breach"] == shop.kinds()


def test_old_proofs_from_a_spool_do_not_end_the_time_without_one(shop: Shop) -> None:
    shop.prove(web="shut")
    shop.pass_time(days=3)
    record.record_overdue(shop.engine, ledger_clock.now())
    shop.prove(web="shut", minute=-60 * 60)
    shop.prove(web="shut", minute=-60 * 55)

    assert ["overdue"] == shop.kinds()


def test_a_project_that_never_had_a_proof_is_overdue_after_its_first_days(shop: Shop) -> None:
    with shop.engine.begin() as connection:
        connection.execute(text("UPDATE project SET created = created - INTERVAL 3 DAY"))
        record.add_missing(connection)

    assert 1 == record.record_overdue(shop.engine, ledger_clock.now())
    assert ["overdue"] == shop.kinds()


def test_the_hours_are_a_setting_and_zero_is_never(shop: Shop) -> None:
    shop.prove(web="shut")
    shop.do(lambda c: watches.set_overdue_hours(c, shop.number(), 0))
    shop.pass_time(days=300)
    assert 0 == record.record_overdue(shop.engine, ledger_clock.now())

    shop.do(lambda c: watches.set_overdue_hours(c, shop.number(), 24))

    assert 1 == record.record_overdue(shop.engine, ledger_clock.now())
    with pytest.raises(InputError):
        shop.do(lambda c: watches.set_overdue_hours(c, shop.number(), -1))


def test_a_refused_transaction_leaves_no_event(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(record, "add_event", fail)
    with pytest.raises(ZeroDivisionError):
        shop.prove(web="open")

    assert [] == shop.kinds()
    assert [] == list(Archive(shop.engine).proofs("shop").records)


def test_a_removed_project_takes_its_notifications_with_it(shop: Shop, engine: Engine) -> None:
    add_project(engine, "gone")
    with engine.begin() as connection:
        record.add_missing(connection)
        connection.execute(text("DELETE FROM project WHERE name = 'gone'"))

        assert 1 == connection.scalar(text("SELECT COUNT(*) FROM watch"))
