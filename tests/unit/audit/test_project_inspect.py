"""The answers of the engine's name server are parsed, and nothing else is taken from a datagram."""

from __future__ import annotations

from dns import message, rrset

from cloison.audit.project_inspect import addresses


def test_the_addresses_of_an_answer_are_read() -> None:
    answer = message.make_response(message.make_query("db.", "A"))
    answer.answer.append(rrset.from_text("db.", 600, "IN", "A", "198.18.0.2", "198.18.0.3"))
    answer.answer.append(rrset.from_text("db.", 600, "IN", "CNAME", "other."))

    assert {"198.18.0.2", "198.18.0.3"} == addresses(answer.to_wire())


def test_a_datagram_that_is_no_answer_has_no_address() -> None:
    assert set() == addresses(b"\0\1\2") == addresses(message.make_query("db.", "A").to_wire())
