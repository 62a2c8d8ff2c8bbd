"""Programs on interfaces are found, whichever hook they are attached to."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator

import pytest

from cloison.linux import bpf, netns, packet_programs
from cloison.probe import udp_guard

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    """Enter a namespace with a bridge, a port of it, and an interface beside it."""
    descriptor = netns.new()
    try:
        with netns.inside(descriptor):
            for words in (
                "link add br9 type bridge",
                "link add port9 type veth peer name away9",
                "link set port9 master br9",
            ):
                subprocess.run(["ip", *words.split()], check=True)
            yield
    finally:
        os.close(descriptor)


def tc(words: str) -> None:
    subprocess.run(["tc", *words.split()], check=True)


def test_interfaces_without_a_program_are_not_named() -> None:
    tc("qdisc add dev port9 clsact")

    assert {} == packet_programs.of_interfaces() == packet_programs.of_bridges(["br9"])


@pytest.mark.parametrize("side", ["ingress", "egress"])
def test_a_filter_of_tc_is_found_on_a_bridge_and_its_ports(side: str) -> None:
    for device in ("port9", "away9"):
        tc(f"qdisc add dev {device} clsact")
        tc(f"filter add dev {device} {side} protocol all u32 match u32 0 0 classid 1:1")

    assert {"port9": ["tc"]} == packet_programs.of_bridges(["br9"])
    assert {"away9": ["tc"], "port9": ["tc"]} == packet_programs.of_interfaces()


SCHED_CLS, XDP = 3, 6
"""BPF_PROG_TYPE_SCHED_CLS and BPF_PROG_TYPE_XDP."""


@pytest.mark.parametrize(
    ("program_type", "attach_type", "flags", "verdict", "kind"),
    [(SCHED_CLS, 46, 0, -1, "tcx"), (SCHED_CLS, 47, 0, -1, "tcx"), (XDP, 37, 2, 2, "XDP")],
)
def test_programs_of_ebpf_are_found(program_type: int, attach_type: int, flags: int, verdict: int, kind: str) -> None:
    # BPF_MOV64_IMM(BPF_REG_0, verdict); BPF_EXIT_INSN(): TCX_NEXT (-1) and XDP_PASS (2) let every packet pass.
    instructions = [struct.pack("<BBhi", 0xB7, 0, 0, verdict), struct.pack("<BBhi", 0x95, 0, 0, 0)]
    index = next(link.number for link in packet_programs.links() if link.name == "port9")
    loaded = udp_guard._load_program(program_type, attach_type, instructions)  # noqa: SLF001
    attributes = udp_guard.LINK_CREATE_ATTR.pack(loaded, index, attach_type, flags)
    attached = udp_guard._bpf(udp_guard.BPF_LINK_CREATE, attributes)  # noqa: SLF001
    try:
        assert {"port9": [kind]} == packet_programs.of_interfaces()
    finally:
        os.close(attached)
        os.close(loaded)
    assert {} == packet_programs.of_interfaces()


def test_an_unknown_processor_has_no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "unknown")

    with pytest.raises(OSError, match="is not known for the processor unknown"):
        bpf.attached_programs(1, 46)
