"""The BPF filters, run by a small interpreter of classic BPF, and the parsers of the packets that they pass."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloison.probe import bpf_filter, packets
from cloison.probe import parse as probe_parse
from cloison.probe.bpf_filter import Filter
from cloison.probe.packets import ACK, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, RST, SYN
from cloison.probe.parse import Arrival, IcmpUnreachable, Message, Reply

pytestmark = pytest.mark.covers

FIN, PSH, URG, ECE, CWR = 0x01, 0x08, 0x20, 0x40, 0x80
PORT, TOKEN = 40000, 0xFACECAFE
LOW = TOKEN & 0xFFFF
"""The part of the token that a SYN carries in its window."""
WORD = st.integers(0, 0xFFFF)
NUMBER = st.integers(0, 0xFFFFFFFF)
VERSIONS = pytest.mark.parametrize("version", [4, 6])
EITHER = st.sampled_from([4, 6])
OPTIONS = st.integers(0, 10).map(lambda words: bytes([1]) * 4 * words)
ICMP = {4: IPPROTO_ICMP, 6: IPPROTO_ICMPV6}
UNREACHABLE, REQUEST, REPLY = {4: 3, 6: 1}, {4: 8, 6: 128}, {4: 0, 6: 129}
SOURCE = {4: bytes([192, 0, 2, 1]), 6: b""}
"""The source address that a raw socket delivers."""
PSEUDO = {4: packets.pseudo_sum("192.0.2.1", "192.0.2.2"), 6: packets.pseudo_sum("fd00::1", "fd00::2")}


def ip(version: int, payload: bytes, protocol: int = IPPROTO_TCP, options: bytes = b"") -> bytes:
    """Return a packet around `payload`; only IPv4 has options in its header."""
    if version == 6:
        return struct.pack("!IHBB16s16s", 6 << 28, len(payload), protocol, 64, bytes(16), bytes(16)) + payload
    words = 5 + len(options) // 4
    total = words * 4 + len(payload)
    return struct.pack("!BBHHHBBH4sI", 0x40 | words, 0, total, 0, 0, 64, protocol, 0, SOURCE[4], 0) + options + payload


def raw(version: int, payload: bytes, options: bytes = b"") -> bytes:
    """Return what a raw socket delivers: with IPv4's header (raw(7)), without IPv6's (RFC 3542 section 3)."""
    return ip(4, payload, options=options) if version == 4 else payload


def tcp(flags: int, *, port: int = PORT, window: int = LOW, sequence: int = 1, acknowledged: int = 0) -> bytes:
    """Return a TCP header from port 80 to `port`."""
    return struct.pack("!HHIIBBHHH", 80, port, sequence, acknowledged, 5 << 4, flags, window, 0, 0)


def udp(payload: bytes) -> bytes:
    """Return a UDP datagram."""
    return struct.pack("!HHHH", 40000, 53, 8 + len(payload), 0) + payload


def icmp(kind: int, code: int, body: bytes) -> bytes:
    """Return an ICMP message; an unreachable's body is a packet, an echo's is its payload."""
    return struct.pack("!BBHI", kind, code, 0, 0) + body


LOADS = {0x50: 1, 0x48: 2, 0x40: 4}
"""Bytes that ldb, ldh and ld [x + k] load."""
ARITHMETIC: dict[int, Callable[[int, int, int, int], int]] = {
    0x54: lambda a, k, _x, _m: a & k,  # and #k
    0x64: lambda a, k, _x, _m: a << k,  # lsh #k
    0x0C: lambda a, _k, x, _m: a + x,  # add x
    0x60: lambda _a, _k, _x, m: m,  # ld M[k]
}
"""What an instruction writes to A, from A, the constant, X and M[0]."""


def kept(packet: bytes, only: Filter) -> bool:
    """Run a filter as the kernel does: https://docs.kernel.org/networking/filter.html."""
    program, owner = only
    length, pointer = struct.unpack("@HP", program)
    code = ctypes.string_at(pointer, length * 8)
    assert owner
    k: int
    position = accumulator = index = memory = 0
    for _ in range(length):
        operation, yes, no, k = struct.unpack_from("=HBBI", code, position * 8)
        position += 1
        if operation == 0xB1:  # ldx 4*([k]&0xf)
            if len(packet) <= k:
                return False
            index = 4 * (packet[k] & 0xF)
        elif operation in (0x01, 0x07):  # ldx #k, tax
            index = k if operation == 0x01 else accumulator
        elif operation in LOADS:
            found = packet[index + k : index + k + LOADS[operation]]
            if len(found) < LOADS[operation]:
                return False
            accumulator = int.from_bytes(found)
        elif operation == 0x02:  # st M[k]
            memory = accumulator
        elif operation in ARITHMETIC:
            accumulator = ARITHMETIC[operation](accumulator, k, index, memory)
        elif operation == 0x15:  # jeq #k, yes, no
            position += yes if accumulator == k else no
        else:
            assert operation == 0x06, f"no such operation: {operation:#x}"  # ret #k
            return bool(k)
    pytest.fail("the program does not end")


def keeps_tcp(version: int, packet: bytes) -> bool:
    """Whether the filter of a raw TCP socket passes a packet."""
    return kept(packet, bpf_filter.tcp_filter(version, PORT, TOKEN))


def keeps_udp(version: int, packet: bytes) -> bool:
    """Whether the filter of a raw UDP socket passes a packet."""
    return kept(packet, bpf_filter.udp_filter(version, TOKEN))


def keeps_icmp(version: int, packet: bytes) -> bool:
    """Whether the filter of a raw ICMP socket passes a packet."""
    return kept(packet, bpf_filter.icmp_filter(version, PORT, TOKEN))


# Probes at their destination.


@given(EITHER, st.tuples(WORD, WORD), NUMBER, OPTIONS)
def test_a_syn_is_recognised_at_its_destination(
    version: int, ports: tuple[int, int], probe_id: int, options: bytes
) -> None:
    packet = raw(version, packets.syn(ports, probe_id, TOKEN, PSEUDO[version]), options)

    assert keeps_tcp(version, packet)
    assert Arrival(probe_id, SOURCE[version]) == probe_parse.read_tcp(version, packet)


@given(EITHER, NUMBER, OPTIONS, st.binary(max_size=8))
def test_a_datagram_is_recognised_at_its_destination(version: int, probe_id: int, options: bytes, more: bytes) -> None:
    packet = raw(version, udp(packets.payload(probe_id, TOKEN) + more), options)

    assert keeps_udp(version, packet)
    assert Arrival(probe_id, SOURCE[version]) == probe_parse.read_udp(version, packet)


@given(EITHER, NUMBER, OPTIONS)
def test_an_echo_request_is_recognised_at_its_destination(version: int, probe_id: int, options: bytes) -> None:
    packet = raw(version, packets.echo_request(version, probe_id, TOKEN), options)

    assert keeps_icmp(version, packet)
    assert Arrival(probe_id) == probe_parse.read_icmp(version, packet)


# Answers.


@given(EITHER, NUMBER, st.sampled_from([SYN | ACK, RST | ACK]), OPTIONS)
def test_an_answer_names_its_probe(version: int, probe_id: int, flags: int, options: bytes) -> None:
    packet = raw(version, tcp(flags, acknowledged=(probe_id + 1) & 0xFFFFFFFF), options)

    assert keeps_tcp(version, packet)
    assert Reply(probe_id, accepted=flags == SYN | ACK) == probe_parse.read_tcp(version, packet)


@given(EITHER, NUMBER, OPTIONS)
def test_an_echo_reply_names_its_probe(version: int, probe_id: int, options: bytes) -> None:
    packet = raw(version, icmp(REPLY[version], 0, packets.payload(probe_id, TOKEN)), options)

    assert keeps_icmp(version, packet)
    assert Reply(probe_id, accepted=True) == probe_parse.read_icmp(version, packet)


@VERSIONS
def test_another_message_with_the_runs_token_is_no_acceptance(version: int) -> None:
    packet = raw(version, icmp(13, 0, packets.payload(7, TOKEN)))

    assert Reply(7, accepted=False) == probe_parse.read_icmp(version, packet)


@VERSIONS
@pytest.mark.parametrize(
    ("flags", "read"),
    [
        (SYN | ECE | CWR, Arrival(7)),
        (SYN | PSH | URG, Arrival(7)),
        (SYN | ACK | ECE, Reply(8, accepted=True)),
        (RST | ACK | PSH, Reply(8, accepted=False)),
    ],
)
def test_flags_outside_the_handshake_are_ignored(version: int, flags: int, read: Message) -> None:
    packet = raw(version, tcp(flags, sequence=7, acknowledged=9))

    found = probe_parse.read_tcp(version, packet)

    assert keeps_tcp(version, packet)
    assert read == (found._replace(source=b"") if isinstance(found, Arrival) else found)


@VERSIONS
@pytest.mark.parametrize("flags", [0, ACK, RST, SYN | RST, SYN | RST | ACK, FIN, FIN | ACK])
def test_other_segments_are_no_message(version: int, flags: int) -> None:
    packet = raw(version, tcp(flags))

    assert not keeps_tcp(version, packet)
    assert probe_parse.read_tcp(version, packet) is None


# The filters.


@given(EITHER, st.integers(0, 0xFF), WORD | st.just(PORT), WORD | st.just(LOW), OPTIONS)
def test_the_filter_keeps_the_runs_own_syns_and_the_answers_to_its_port(
    version: int, flags: int, port: int, window: int, options: bytes
) -> None:
    packet = raw(version, tcp(flags, port=port, window=window), options)

    known = flags & (SYN | RST | ACK)
    is_own = (known == SYN and window == LOW) or (known in (SYN | ACK, RST | ACK) and port == PORT)
    assert is_own is keeps_tcp(version, packet)


@VERSIONS
@pytest.mark.parametrize(
    ("flags", "port", "window", "passes"),
    [
        (SYN, 80, LOW, True),
        (SYN | PSH | URG, 80, LOW, True),
        (SYN, PORT, LOW - 1, False),
        (SYN | ACK, PORT, 0, True),
        (RST | ACK, PORT, 0, True),
        (SYN | ACK, PORT + 1, LOW, False),
        (RST, PORT, LOW, False),
        (ACK, PORT, LOW, False),
    ],
)
def test_the_tcp_filter_checks_each_kind_of_segment(
    version: int, flags: int, port: int, window: int, *, passes: bool
) -> None:
    assert passes is keeps_tcp(version, raw(version, tcp(flags, port=port, window=window)))


@given(EITHER, NUMBER | st.just(TOKEN), NUMBER, OPTIONS)
def test_the_filters_keep_datagrams_and_echoes_of_this_run_alone(
    version: int, token: int, probe_id: int, options: bytes
) -> None:
    body = packets.payload(probe_id, token)

    assert (token == TOKEN) is keeps_udp(version, raw(version, udp(body), options))
    for kind in (REQUEST, REPLY):
        assert (token == TOKEN) is keeps_icmp(version, raw(version, icmp(kind[version], 0, body), options))


def quoted_probe(version: int, kind: str, port: int, token: int) -> tuple[int, bytes]:
    """Return the protocol of a probe of another run or this one, and as much of it as a router quotes."""
    body = packets.payload(7, token)
    return {
        "tcp": (IPPROTO_TCP, struct.pack("!HHI", port, 80, 7)),
        "udp": (IPPROTO_UDP, udp(body)),
        "icmp": (ICMP[version], icmp(REQUEST[version], 0, body)),
    }[kind]


NAMES = st.tuples(WORD | st.just(PORT), NUMBER | st.just(TOKEN))


@given(EITHER, st.sampled_from(["tcp", "udp", "icmp"]), NAMES, OPTIONS, OPTIONS)
def test_the_filter_keeps_unreachables_about_probes_of_this_run_alone(
    version: int, kind: str, names: tuple[int, int], options: bytes, quoted_options: bytes
) -> None:
    port, token = names
    protocol, probe = quoted_probe(version, kind, port, token)
    quoted = ip(version, probe, protocol, quoted_options if version == 4 else b"")

    is_own = port == PORT if kind == "tcp" else token == TOKEN
    assert is_own is keeps_icmp(version, raw(version, icmp(UNREACHABLE[version], 0, quoted), options))


@given(EITHER, st.binary(max_size=60), OPTIONS)
def test_an_unreachable_that_quotes_something_else_is_dropped(version: int, body: bytes, options: bytes) -> None:
    packet = raw(version, icmp(UNREACHABLE[version], 0, body), options)

    own = struct.pack("!I", TOKEN) in body or struct.pack("!H", PORT) in body
    assert own or not keeps_icmp(version, packet)


@given(EITHER, st.integers(0, 0xFF), WORD | st.just(53), WORD | st.just(LOW), OPTIONS)
def test_the_filters_of_the_audit_keep_their_own_packets(
    version: int, flags: int, port: int, window: int, options: bytes
) -> None:
    packet = raw(version, tcp(flags, port=port, window=window), options)

    assert ((flags, window) == (SYN, LOW)) is kept(packet, bpf_filter.syn_filter(version, LOW))
    assert (port == 53) is kept(packet, bpf_filter.port_filter(version, 53))


HEARD = st.binary(max_size=120)
MESSAGE = Arrival | Reply | IcmpUnreachable


@given(EITHER, HEARD, OPTIONS)
def test_every_packet_that_a_filter_passes_can_be_parsed(version: int, payload: bytes, options: bytes) -> None:
    packet = raw(version, payload, options)

    assert not keeps_tcp(version, packet) or isinstance(probe_parse.read_tcp(version, packet), MESSAGE)
    for keeps, read in ((keeps_udp, probe_parse.read_udp), (keeps_icmp, probe_parse.read_icmp)):
        assert not keeps(version, packet) or isinstance(read(version, packet), MESSAGE | None)


@given(EITHER, st.sampled_from([SYN, SYN | ACK, RST | ACK]), NUMBER, OPTIONS, st.integers(0, 20))
def test_a_truncated_segment_is_dropped_or_parsed(
    version: int, flags: int, probe_id: int, options: bytes, length: int
) -> None:
    whole = tcp(flags, sequence=probe_id, acknowledged=(probe_id + 1) & 0xFFFFFFFF)
    packet = raw(version, whole[:length], options)

    read = probe_parse.read_tcp(version, packet) if keeps_tcp(version, packet) else None
    assert (length >= (16 if flags == SYN else 14)) is (read is not None)
    assert read is None or probe_id == read.probe_id


@given(EITHER, st.sampled_from([UNREACHABLE, REQUEST, REPLY]), NUMBER, st.integers(0, 90), OPTIONS)
def test_a_truncated_message_names_its_probe_or_none(
    version: int, kind: dict[int, int], probe_id: int, length: int, options: bytes
) -> None:
    body = packets.payload(probe_id, TOKEN)
    quoted = ip(version, udp(body), IPPROTO_UDP) if kind is UNREACHABLE else body
    message, datagram = icmp(kind[version], 1, quoted)[:length], udp(body)[:length]

    for packet, keeps, read in (
        (raw(version, message, options), keeps_icmp, probe_parse.read_icmp),
        (raw(version, datagram, options), keeps_udp, probe_parse.read_udp),
    ):
        found = read(version, packet) if keeps(version, packet) else None
        assert found is None or probe_id == found.probe_id


# The packets that an ICMP error quotes.


@VERSIONS
@pytest.mark.parametrize(
    ("protocol", "probe"),
    [
        (IPPROTO_TCP, tcp(SYN, sequence=0xCAFEF00D)[:8]),  # as much as RFC 792 promises
        (IPPROTO_UDP, udp(packets.payload(0xCAFEF00D, TOKEN))),
        (None, icmp(8, 0, packets.payload(0xCAFEF00D, TOKEN))),
    ],
    ids=["a SYN", "a datagram", "an echo request"],
)
def test_an_unreachable_names_the_probe_that_it_quotes(version: int, protocol: int | None, probe: bytes) -> None:
    quoted = ip(version, probe, protocol or ICMP[version])
    packet = raw(version, icmp(UNREACHABLE[version], 3, quoted))

    expected = {4: "port unreachable", 6: "address unreachable"}[version]
    assert IcmpUnreachable(0xCAFEF00D, expected) == probe_parse.read_icmp(version, packet)


def test_an_unreachable_may_quote_options_of_ipv4() -> None:
    quoted = ip(4, tcp(SYN, sequence=0xCAFEF00D), options=b"\x01" * 8)

    assert IcmpUnreachable(0xCAFEF00D, "host unreachable") == probe_parse.read_icmp(4, raw(4, icmp(3, 1, quoted)))


@pytest.mark.parametrize(
    ("version", "code", "reason"),
    [
        (4, 0, "network unreachable"),
        (4, 1, "host unreachable"),
        (4, 3, "port unreachable"),
        (4, 13, "administratively prohibited"),
        (4, 7, "unreachable, code 7"),
        (6, 0, "no route to destination"),
        (6, 1, "administratively prohibited"),
        (6, 3, "address unreachable"),
        (6, 4, "port unreachable"),
        (6, 6, "route rejected"),
        (6, 13, "unreachable, code 13"),  # IPv4's word for it is not IPv6's
    ],
)
def test_an_unreachable_has_its_reason(version: int, code: int, reason: str) -> None:
    quoted = ip(version, tcp(SYN, sequence=7))

    assert IcmpUnreachable(7, reason) == probe_parse.read_icmp(
        version, raw(version, icmp(UNREACHABLE[version], code, quoted))
    )


@VERSIONS
@pytest.mark.parametrize(
    "cut",
    [
        lambda version: icmp(UNREACHABLE[version], 1, ip(version, tcp(SYN), protocol=132)),
        lambda version: icmp(UNREACHABLE[version], 1, ip(version, tcp(SYN)[:7])),
        lambda version: icmp(UNREACHABLE[version], 1, ip(version, udp(b"short"), IPPROTO_UDP)),
        lambda version: icmp(UNREACHABLE[version], 1, ip(version, b"")[:9]),
        lambda version: icmp(UNREACHABLE[version], 1, b""),
        lambda version: icmp(REQUEST[version], 0, bytes(7)),
        lambda version: bytes([UNREACHABLE[version]]),
        lambda _: b"",
    ],
    ids=[
        "another protocol",
        "no number",
        "a short datagram",
        "half a header",
        "nothing",
        "no echo",
        "a byte",
        "no byte",
    ],
)
def test_other_icmp_messages_are_no_message(version: int, cut: Callable[[int], bytes]) -> None:
    assert probe_parse.read_icmp(version, raw(version, cut(version))) is None


@VERSIONS
def test_a_short_datagram_is_no_message(version: int) -> None:
    assert probe_parse.read_udp(version, raw(version, udp(bytes(7)))) is None
