"""Every kind of failure of a ledger, and its effect on the queued proofs."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.ledger_client import fake_ledger
from tests.unit.ledger_client.conftest import Sender
from tests.unit.ledger_client.fake_ledger import TOKEN_VARIABLE, status

from cloison.ledger_client.delivery import ProofSender
from cloison.ledger_client.spool import spool

ONE, TWO, THREE = b'{"n":1}', b'{"n":2}', b'{"n":3}'
PAGE = "<html>Welcome to the network of this hotel</html>"


def names(*documents: bytes) -> list[str]:
    return [hashlib.sha256(document).hexdigest() for document in documents]


def test_a_proof_arrives_with_its_token_and_leaves_the_disk(sender: Sender, server: fake_ledger.Ledger) -> None:
    assert sender.send(ONE)

    assert names(ONE) == server.stored
    assert [] == sender.queued
    assert f"Bearer {TOKEN_VARIABLE}" == server.headers[0]["Authorization"]
    assert "/api/v1/proofs" == server.headers[0]["path"]
    assert [f"Sent proof {names(ONE)[0][:12]} to {server.url}"] == sender.said


KEPT = {
    "500": (status(500), "answered 500 Internal Server Error: detail of 500; 1 proof remains in"),
    "502 of a proxy": (status(502, PAGE), "answered 502 Bad Gateway; 1 proof remains in"),
    "503": (status(503), "answered 503"),
    "429": (status(429, Retry_After="7"), "(it asks to wait 7 s); 1 proof remains in"),
    "401": (
        status(401),
        "rejected the token of a test: it answered 401 Unauthorized: detail of 401. Create a new token",
    ),
    "403": (status(403), "rejected the token of a test: it answered 403"),
    "404": (status(404, PAGE), "does not look like a ledger: it answered 404"),
    "a page for all": (
        status(200, PAGE),
        "it answered 200 and did not return the digest of the proof; is it a ledger?",
    ),
    "another digest": (status(201, {"digest": "0" * 64}), "it answered 201 and did not return the digest of the proof"),
    "a list": (status(200, []), "did not return the digest of the proof"),
    "an endless answer": (status(200, "x" * 100_000), "did not return the digest of the proof"),
    "400 of a proxy": (status(400, PAGE), "does not look like a ledger: it answered 400"),
    "a steering answer": (status(500, {"error": {"detail": "\x1b[2J\nred"}}), "Error: [2J red; 1 proof remains"),
    "silence": (fake_ledger.hang, "did not accept the proof: it d"),
    "a trickle": (fake_ledger.trickle, "did not accept the proof: it did not answer within 2 s; 1 proof remains"),
    "no word": (fake_ledger.disconnect, "did not accept the proof: "),
}


@pytest.mark.parametrize(("wrong", "sentence"), KEPT.values(), ids=KEPT)
def test_what_is_not_acknowledged_stays_and_arrives_later(
    wrong: fake_ledger.Misbehaviour, sentence: str, sender: Sender, server: fake_ledger.Ledger
) -> None:
    server.always = wrong

    assert not sender.send(ONE)
    assert names(ONE) == sender.queued
    assert 1 == len(sender.said)
    assert sentence in sender.said[0]
    assert TOKEN_VARIABLE not in sender.said[0]

    server.always = None
    assert sender.send(TWO)
    assert names(ONE, TWO) == server.stored
    assert [] == sender.queued
    assert f"Sent proof {names(TWO)[0][:12]} to {server.url}, and 1 proof from the spool" == sender.said[1]


@pytest.mark.parametrize("wrong", [fake_ledger.store_and_disconnect, fake_ledger.truncated_answer])
def test_what_the_ledger_kept_and_could_not_say_is_there_once(
    wrong: fake_ledger.Misbehaviour, sender: Sender, server: fake_ledger.Ledger
) -> None:
    server.misbehaviours = [wrong]

    assert not sender.send(ONE)
    assert sender.send(TWO)
    assert names(ONE, TWO) == server.stored
    assert names(ONE, ONE, TWO) == server.posted


REFUSED = {
    "400": (status(400), "detail of 400"),
    "422": (status(422), "detail of 422"),
}


@pytest.mark.parametrize(("wrong", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_set_aside_and_holds_up_nobody(
    wrong: fake_ledger.Misbehaviour, reason: str, sender: Sender, server: fake_ledger.Ledger
) -> None:
    server.misbehaviours = [wrong]
    sender.enqueue(ONE)

    assert sender.send(TWO)
    assert names(TWO) == server.stored
    assert [] == sender.queued
    rejected = sender.spool.folder / "refused"
    assert {f"{names(ONE)[0]}.json.gz", f"{names(ONE)[0]}.reason"} == {path.name for path in rejected.iterdir()}
    assert reason in (rejected / f"{names(ONE)[0]}.reason").read_text()
    assert reason in sender.said[0]
    assert str(rejected) in sender.said[0]


def noise(size: int) -> bytes:
    """Return a document that cannot be compressed."""
    return b'"' + random.Random(size).randbytes(size // 2).hex().encode() + b'"'  # noqa: S311 - the same bytes each time


def fail_at(bad: bytes, failure: fake_ledger.Misbehaviour) -> fake_ledger.Misbehaviour:
    """Return a ledger that fails at one proof and stores all others."""
    (digest,) = names(bad)
    return lambda handler, sent: (failure if sent == digest else fake_ledger.store)(handler, sent)


@pytest.mark.parametrize("content", [None, PAGE], ids=["of the ledger", "of a proxy"])
@pytest.mark.parametrize("size", [100_000, 1_500_000, 7_000_000])
def test_413_for_a_proof_within_the_limits_means_later(
    sender: Sender, server: fake_ledger.Ledger, size: int, content: str | None
) -> None:
    server.always = status(413, content)
    document = noise(size)

    assert not sender.send(document)
    assert names(document) == sender.queued
    assert "it answered 413" in sender.said[0]
    server.always = None
    assert sender.send(TWO)
    assert names(document, TWO) == server.stored


@pytest.mark.parametrize("document", [noise(17 << 20), b" " * ((32 << 20) + 1)], ids=["compressed", "uncompressed"])
@pytest.mark.slow
def test_413_for_a_proof_beyond_the_limits_means_never(
    sender: Sender, server: fake_ledger.Ledger, document: bytes
) -> None:
    server.always = fail_at(document, status(413, PAGE))

    assert not sender.send(document)
    assert sender.send(TWO)
    assert [] == sender.queued
    assert "it was moved to" in sender.said[0]


FAILURES = {
    "500": status(500),
    "503": status(503),
    "408": status(408),
    "413 for a small one": status(413),
    "no word": fake_ledger.disconnect,
    "silence": fake_ledger.hang,
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_proof_at_which_the_ledger_fails_holds_up_nobody(
    sender: Sender, server: fake_ledger.Ledger, failure: fake_ledger.Misbehaviour
) -> None:
    server.always = fail_at(ONE, failure)
    sender.limits = replace(sender.limits, seconds=0.5)
    sender.enqueue(ONE, TWO)

    assert sender.send(THREE)
    assert {*names(TWO, THREE)} == {*server.stored}
    assert names(ONE) == sender.queued
    assert f"did not accept proof {names(ONE)[0][:12]}, but others: it" in sender.said[0].replace(": (", ": it (")


def test_many_proofs_at_which_the_ledger_fails_hold_up_nobody(sender: Sender, server: fake_ledger.Ledger) -> None:
    bad = [b'{"bad":%d}' % number for number in range(5)]
    server.always = lambda handler, sent: (status(500) if sent in names(*bad) else fake_ledger.store)(handler, sent)
    sender.enqueue(*bad, ONE, TWO)

    assert sender.send(THREE)
    assert {*names(ONE, TWO, THREE)} == {*server.stored}


def test_a_proof_at_which_the_ledger_fails_again_and_again_is_set_aside_and_told(
    sender: Sender, server: fake_ledger.Ledger
) -> None:
    server.always = fail_at(ONE, status(500))
    sender.enqueue(ONE)
    for number in range(4):
        assert sender.send(b'{"good":%d}' % number)
        assert names(ONE) == sender.queued
    server.always = status(500)  # the ledger is away: this run does not count
    assert not sender.send(TWO)
    assert names(ONE, TWO) == [*sorted(sender.queued, key=names(ONE, TWO).index)]
    server.always = fail_at(ONE, status(500))

    assert sender.send(THREE)
    assert [] == sender.queued
    rejected = sender.spool.folder / "refused"
    assert {f"{names(ONE)[0]}.json.gz", f"{names(ONE)[0]}.reason"} == {path.name for path in rejected.iterdir()}
    assert f"failed 5 times at proof {names(ONE)[0][:12]}: it answered 500" in " ".join(sender.said)
    assert not [path for path in sender.spool.folder.iterdir() if path.name.endswith(".failures")]


def dated(started: str) -> bytes:
    return json.dumps({"started": started}).encode()


FROM_THE_FUTURE = status(422, {"error": {"status": 422, "detail": "started: set the clock", "reason": "future"}})


def test_a_proof_from_the_future_waits_and_holds_up_nobody(sender: Sender, server: fake_ledger.Ledger) -> None:
    far = dated("9998-12-31T00:00:00.000Z")
    server.always = fail_at(far, FROM_THE_FUTURE)

    assert not sender.send(far)
    assert "does not accept proof" in sender.said[0]
    assert "started: set the clock" in sender.said[0]
    assert str(sender.spool.folder / "future") in sender.said[0]
    assert sender.send(TWO)
    assert [] == sender.queued
    assert names(far) == [proof.digest for proof in sender.spool.postponed()]
    assert names(far, TWO) == server.posted  # not tried before its time


def test_a_proof_from_the_future_arrives_when_its_time_has_come(sender: Sender, server: fake_ledger.Ledger) -> None:
    soon = dated("2026-01-02T03:04:05.678Z")
    server.always = fail_at(soon, FROM_THE_FUTURE)
    assert not sender.send(soon)
    assert sender.send(TWO)
    assert names(soon) == [proof.digest for proof in sender.spool.postponed()]
    server.always = None

    assert sender.send(THREE)
    assert names(TWO, THREE, soon) == server.stored
    assert [] == sender.spool.postponed()


def test_a_postponed_proof_that_the_disk_has_damaged_is_set_aside(sender: Sender, server: fake_ledger.Ledger) -> None:
    far = dated("9998-12-31T00:00:00.000Z")
    server.misbehaviours = [FROM_THE_FUTURE]
    assert not sender.send(far)
    sender.spool.postponed()[0].path.write_bytes(b"?")

    assert sender.send(THREE)
    assert names(THREE) == server.stored
    assert [] == sender.spool.postponed()
    assert f"rejected proof {names(far)[0][:12]}: the file on disk is damaged" in sender.said[1]


def test_a_proof_of_another_project_waits_for_the_right_token(sender: Sender, server: fake_ledger.Ledger) -> None:
    server.always = status(422, {"error": {"detail": "project/name: send it with --as shop", "reason": "project"}})

    assert not sender.send(ONE)
    assert names(ONE) == sender.queued
    assert "send it with --as shop" in sender.said[0]


def test_a_proof_is_sent_as_one_of_another_project(sender: Sender, server: fake_ledger.Ledger, tmp_path: Path) -> None:
    sender.ledger = replace(sender.ledger, project="shop 2")
    assert sender.send(ONE)

    assert "/api/v1/proofs?as=shop+2" == server.headers[0]["path"]
    queues = [("shop", ""), ("shop", "shop"), ("shop", "blog"), ("shop@blog", "")]
    assert 4 == len({spool(tmp_path, server.url, project, sent_as).folder for project, sent_as in queues})


def test_a_refused_latest_proof_has_not_arrived(sender: Sender, server: fake_ledger.Ledger) -> None:
    server.misbehaviours = [status(422)]

    assert not sender.send(ONE)
    assert 1 == len(sender.said)


def test_what_the_disk_has_damaged_is_set_aside(sender: Sender, server: fake_ledger.Ledger) -> None:
    for damaged in sender.enqueue(ONE, TWO):
        damaged.path.write_bytes(damaged.path.read_bytes()[:-9])

    assert sender.send(THREE)
    assert names(THREE) == server.stored
    assert "the file on disk is damaged" in sender.said[0]


def test_a_redirection_is_told_and_not_followed(sender: Sender, server: fake_ledger.Ledger) -> None:
    with fake_ledger.running() as other:
        server.always = status(307, PAGE, Location=f"{other.url}/api/v1/proofs")

        assert not sender.send(ONE)
        assert [] == other.headers
        assert f"it redirects to {other.url}/api/v1/proofs; is that the ledger's address?" in sender.said[0]


def test_a_ledger_that_is_away_gets_everything_in_order_when_it_is_back(
    sender: Sender, server: fake_ledger.Ledger
) -> None:
    there = sender.ledger
    sender.ledger = replace(there, url="http://127.0.0.1:1")
    assert not sender.send(ONE)
    assert not sender.send(TWO)
    assert "http://127.0.0.1:1 did not accept the proof: Connection refused; 2 proofs remain in" in sender.said[1]

    sender.ledger = there
    assert sender.send(THREE)
    assert names(ONE, TWO, THREE) == server.stored


def test_nothing_is_tried_further_when_the_ledger_is_away(sender: Sender, server: fake_ledger.Ledger) -> None:
    server.always = status(500)
    sender.enqueue(ONE, TWO)
    sender.send(THREE)

    assert names(ONE, THREE) == server.posted
    assert names(ONE, TWO, THREE) == sender.queued
    assert 1 == len(sender.said)


def test_one_run_sends_so_many_and_the_next_ones_the_rest(sender: Sender, server: fake_ledger.Ledger) -> None:
    sender.limits = replace(sender.limits, max_proofs=2)
    sender.enqueue(ONE, TWO)

    assert not sender.send(THREE)
    assert names(ONE, TWO) == server.stored
    assert f"Sent 2 proofs from the spool to {server.url}; 1 proof remains in {sender.spool.folder}" in sender.said[0]
    assert sender.send(b"{}")
    assert names(ONE, TWO, THREE, b"{}") == server.stored


def test_no_further_proof_is_begun_when_the_time_is_up(sender: Sender, server: fake_ledger.Ledger) -> None:
    sender.limits = replace(sender.limits, time_budget=0.2)
    server.always = fake_ledger.slowly
    sender.enqueue(ONE)

    assert not sender.send(TWO)
    assert names(ONE) == server.stored


def test_a_netrc_does_not_replace_the_token(
    sender: Sender, server: fake_ledger.Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    assert sender.send(ONE)
    assert f"Bearer {TOKEN_VARIABLE}" == server.headers[0]["Authorization"]


def test_a_proxy_does_not_see_what_stays_on_this_machine(
    sender: Sender, server: fake_ledger.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_ledger.running() as proxy:
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)

        assert sender.send(ONE)
        assert [] == proxy.headers


def test_while_another_sends_the_proof_waits_its_turn(sender: Sender, server: fake_ledger.Ledger) -> None:
    sender.enqueue(ONE)
    with sender.spool.locked("sending", 1) as is_locked:
        assert is_locked
        assert not sender.send(TWO)

    assert [] == server.posted
    assert "another cloison process has been sending" in sender.said[0]
    assert "2 proofs remain in" in sender.said[0]


def test_a_proof_that_no_disk_keeps_is_sent_all_the_same(sender: Sender, server: fake_ledger.Ledger) -> None:
    delivery = ProofSender(sender.ledger, sender.spool, sender.said.append, sender.limits)
    assert delivery.send_only(names(ONE)[0], gzip.compress(ONE))
    server.always = status(422)
    assert not delivery.send_only(names(TWO)[0], gzip.compress(TWO))

    assert names(ONE) == server.stored
    assert "rejected the proof: it answered 422" in sender.said[1]
