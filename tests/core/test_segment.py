"""The bytes are checked against an independent sum and a small interpreter of classic BPF."""

from __future__ import annotations

import ctypes
import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloison import segment
from cloison.segment import ACK, RST, SYN, Answer, Arrival, Rejection

FIN, PSH, URG, ECE, CWR = 0x01, 0x08, 0x20, 0x40, 0x80
PORT, TOKEN = 40000, 51966
WORD = st.integers(0, 0xFFFF)
NUMBER = st.integers(0, 0xFFFFFFFF)
ADDRESS = st.integers(0, 0xFFFFFFFF).map(lambda number: str(IPv4Address(number)))
OPTIONS = st.integers(0, 10).map(lambda words: bytes([1]) * 4 * words)
SOCKET = st.tuples(ADDRESS, WORD)


def ip(payload: bytes, options: bytes = b"", protocol: int = 6) -> bytes:
    """Return an IPv4 packet around `payload`."""
    words = 5 + len(options) // 4
    total = words * 4 + len(payload)
    return struct.pack("!BBHHHBBHII", 0x40 | words, 0, total, 0, 0, 64, protocol, 0, 0, 0) + options + payload


def tcp(flags: int, *, port: int = PORT, window: int = TOKEN, sequence: int = 1, acknowledged: int = 0) -> bytes:
    """Return a TCP header from port 80 to `port`."""
    return struct.pack("!HHIIBBHHH", 80, port, sequence, acknowledged, 5 << 4, flags, window, 0, 0)


def icmp(kind: int, code: int, quoted: bytes) -> bytes:
    """Return an IPv4 packet with an ICMP message that quotes a packet."""
    return ip(struct.pack("!BBHI", kind, code, 0, 0) + quoted, protocol=1)


def kept(packet: bytes, port: int = PORT, token: int = TOKEN) -> bool:
    """Run the filter as the kernel does: https://docs.kernel.org/networking/filter.html."""
    program, owner = segment.only_ours(port, token)
    length, pointer = struct.unpack("@HP", program)
    code = ctypes.string_at(pointer, length * 8)
    assert owner
    k: int
    position = accumulator = index = 0
    for _ in range(length):
        operation, yes, no, k = struct.unpack_from("=HBBI", code, position * 8)
        position += 1
        if operation == 0xB1:  # ldx 4*([k]&0xf)
            index = 4 * (packet[k] & 0xF)
        elif operation in (0x50, 0x48):  # ldb, ldh [x + k]
            size = {0x50: 1, 0x48: 2}[operation]
            found = packet[index + k : index + k + size]
            if len(found) < size:
                return False
            accumulator = int.from_bytes(found)
        elif operation == 0x54:  # and #k
            accumulator &= k
        elif operation == 0x15:  # jeq #k, yes, no
            position += yes if accumulator == k else no
        else:
            assert operation == 0x06, f"no such operation: {operation:#x}"  # ret #k
            return bool(k)
    pytest.fail("the program does not end")


@given(SOCKET, SOCKET, NUMBER, WORD)
@example(("255.255.255.255", 24834), ("255.255.255.254", 3306), 1245118862, 56952)  # its carry has a carry
def test_the_checksum_is_the_one_of_rfc_9293(
    source: tuple[str, int], target: tuple[str, int], sequence: int, token: int
) -> None:
    sent = segment.syn(source, target, sequence, token)

    pseudo = IPv4Address(source[0]).packed + IPv4Address(target[0]).packed + struct.pack("!BBH", 0, 6, len(sent))
    # In one's complement all words of a sound segment add up to 0xFFFF: as a number, to a multiple of it.
    assert 0 == int.from_bytes(pseudo + sent) % 0xFFFF


def test_the_checksum_is_not_zero_by_accident() -> None:
    first, second = (segment.syn(("192.0.2.1", 1), ("192.0.2.2", 2), number, 3)[16:18] for number in (4, 5))

    assert first != second


@given(SOCKET, SOCKET, NUMBER, WORD, OPTIONS)
def test_a_probe_is_recognised_where_it_ends(
    source: tuple[str, int], target: tuple[str, int], sequence: int, token: int, options: bytes
) -> None:
    packet = ip(segment.syn(source, target, sequence, token), options)

    assert kept(packet, token=token)
    assert Arrival(sequence) == segment.read_tcp(packet)


def test_a_probe_carries_its_ports_its_token_and_a_segment_size() -> None:
    sent = segment.syn(("192.0.2.1", 40000), ("192.0.2.2", 3306), 0xDEADBEEF, TOKEN)

    ports_and_numbers, options = struct.unpack("!HHII", sent[:12]), sent[20:]
    assert (40000, 3306, 0xDEADBEEF, 0) == ports_and_numbers
    assert (6 << 4, SYN, TOKEN) == struct.unpack("!BBH", sent[12:16])
    assert b"\x02\x04\x05\xb4" == options


@given(NUMBER, st.sampled_from([SYN | ACK, RST | ACK]), OPTIONS)
def test_an_answer_names_its_probe(sequence: int, flags: int, options: bytes) -> None:
    packet = ip(tcp(flags, acknowledged=(sequence + 1) & 0xFFFFFFFF), options)

    assert Answer(sequence, accepted=flags == SYN | ACK) == segment.read_tcp(packet)


@pytest.mark.parametrize(
    ("flags", "read"),
    [
        (SYN | ECE | CWR, Arrival(7)),
        (SYN | PSH | URG, Arrival(7)),
        (SYN | ACK | ECE, Answer(8, accepted=True)),
        (RST | ACK | PSH, Answer(8, accepted=False)),
    ],
)
def test_flags_that_say_nothing_of_a_handshake_are_passed_over(flags: int, read: Answer | Arrival) -> None:
    packet = ip(tcp(flags, sequence=7, acknowledged=9))

    assert kept(packet)
    assert read == segment.read_tcp(packet)


@pytest.mark.parametrize("flags", [0, ACK, RST, SYN | RST, SYN | RST | ACK, FIN, FIN | ACK])
def test_other_segments_say_nothing(flags: int) -> None:
    assert segment.read_tcp(ip(tcp(flags))) is None


@given(st.integers(0, 0xFF), WORD | st.just(PORT), WORD | st.just(TOKEN), OPTIONS)
def test_the_filter_keeps_the_runs_own_probes_and_the_answers_to_its_port(
    flags: int, port: int, window: int, options: bytes
) -> None:
    packet = ip(tcp(flags, port=port, window=window), options)

    known = flags & (SYN | RST | ACK)
    ours = (known == SYN and window == TOKEN) or (known in (SYN | ACK, RST | ACK) and port == PORT)
    assert ours is kept(packet)


@pytest.mark.parametrize(
    ("flags", "port", "window", "passes"),
    [
        (SYN, 80, TOKEN, True),
        (SYN | PSH | URG, 80, TOKEN, True),
        (SYN, PORT, TOKEN - 1, False),
        (SYN | ACK, PORT, 0, True),
        (RST | ACK, PORT, 0, True),
        (SYN | ACK, PORT + 1, TOKEN, False),
        (RST, PORT, TOKEN, False),
        (ACK, PORT, TOKEN, False),
    ],
)
def test_the_filter_has_a_row_for_each_kind(flags: int, port: int, window: int, passes: bool) -> None:  # noqa: FBT001
    assert passes is kept(ip(tcp(flags, port=port, window=window)))


@given(OPTIONS, st.binary(max_size=20))
def test_what_the_filter_keeps_can_be_read(options: bytes, payload: bytes) -> None:
    packet = ip(payload, options)

    assert not kept(packet) or segment.read_tcp(packet)


@pytest.mark.parametrize("length", [16, 14])
@pytest.mark.parametrize("flags", [SYN, SYN | ACK])
def test_a_cut_segment_is_dropped_or_read(flags: int, length: int) -> None:
    packet = ip(tcp(flags, acknowledged=8, sequence=7)[:length])

    read = segment.read_tcp(packet) if kept(packet) else None
    assert read in (None, Arrival(7), Answer(7, accepted=True))
    assert (read is None) is (flags == SYN and length == 14)  # the window, with the token, is what was cut


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, "network unreachable"),
        (1, "host unreachable"),
        (3, "port unreachable"),
        (13, "administratively prohibited"),
        (7, "unreachable, code 7"),
    ],
)
def test_a_rejection_names_its_probe_and_its_reason(code: int, reason: str) -> None:
    probe = ip(tcp(SYN, sequence=0xCAFEF00D), options=b"\x01" * 8)

    assert Rejection(0xCAFEF00D, reason) == segment.read_icmp(icmp(3, code, probe[: 28 + 8]))


@pytest.mark.parametrize(
    "packet",
    [
        icmp(8, 0, ip(tcp(SYN))),
        icmp(3, 1, ip(tcp(SYN), protocol=17)),
        icmp(3, 1, ip(tcp(SYN)[:7])),
        icmp(3, 1, ip(b"")[:9]),
        icmp(3, 1, b""),
        ip(b"\x03", protocol=1),
        ip(b"", protocol=1),
    ],
    ids=["an echo", "about a datagram", "no sequence number", "half a header", "nothing quoted", "one byte", "no byte"],
)
def test_other_messages_reject_nothing(packet: bytes) -> None:
    assert segment.read_icmp(packet) is None


@given(st.binary(max_size=60), st.sampled_from([0, 3, 11]))
def test_no_message_breaks_the_reader(quoted: bytes, kind: int) -> None:
    packet = icmp(kind, 1, quoted)

    for length in range(20, len(packet) + 1):
        rejection = segment.read_icmp(packet[:length])
        assert rejection is None or (kind == 3 and length >= 20 + 8 + 20 + 8)
