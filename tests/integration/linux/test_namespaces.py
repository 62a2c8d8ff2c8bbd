"""Every network namespace of the machine is found, and the devices in it with what they are connected to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cloison.linux import link_graph, namespaces, netns, pyroute, tap_holders
from cloison.linux.namespaces import Namespace

pytestmark = pytest.mark.engine
HOLDING = """
import ctypes, os, sys, threading
libc = ctypes.CDLL(None)
original = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
def leave():
    assert libc.unshare(0x40000000) == 0
    held = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    print(os.fstat(held).st_ino, flush=True)
    if sys.argv[1] == "descriptor":
        assert libc.setns(held and original, 0x40000000) == 0
    else:
        os.close(held)
    sys.stdin.read()
thread = threading.Thread(target=leave)
thread.start()
thread.join()
"""


@contextmanager
def held_by(what: str) -> Iterator[int]:
    """Have another process keep a namespace alive by a descriptor or a thread alone; yield its inode number."""
    words = [sys.executable, "-c", HOLDING, what]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        try:
            yield int(holder.stdout.readline())
        finally:
            holder.kill()


@pytest.mark.parametrize("what", ["descriptor", "thread"])
def test_a_namespace_that_only_a_descriptor_or_a_thread_keeps_alive_is_found(what: str) -> None:
    with held_by(what) as inode:
        found = namespaces.find()[inode]
        with found.opened() as descriptor:
            assert inode == netns.identity(descriptor)

    assert f"netns-{inode}" == found.name
    with pytest.raises(FileNotFoundError):
        found.open()


def test_a_namespace_of_this_process_alone_is_not_found() -> None:
    descriptor = netns.new()
    try:
        assert netns.identity(descriptor) not in namespaces.find()
    finally:
        os.close(descriptor)


def test_a_named_namespace_has_its_name() -> None:
    subprocess.run(["ip", "netns", "add", "cloisonnamed"], check=True)
    try:
        found = [item for item in namespaces.find().values() if item.name == "netns-cloisonnamed"]
    finally:
        subprocess.run(["ip", "netns", "del", "cloisonnamed"], check=True)

    assert ["mounted on /run/netns/cloisonnamed"] == [item.description.split(", ")[1] for item in found]


def test_a_path_that_leads_to_another_namespace_opens_nothing() -> None:
    with pytest.raises(FileNotFoundError, match="the network namespace 1 does not exist any more"):
        Namespace(1, ["/proc/self/ns/net"]).open()


def test_devices_refer_to_devices_of_other_namespaces() -> None:
    """The kernel assigns the number of a namespace while the devices are read."""
    one, other = netns.new(), netns.new()
    try:
        with netns.inside(one), pyroute.iproute() as route:
            route.link("add", ifname="a", kind="veth", peer={"ifname": "b", "net_ns_fd": other})
        known = {
            netns.identity(fd): Namespace(netns.identity(fd), [f"/proc/{os.getpid()}/fd/{fd}"]) for fd in (one, other)
        }
        first, second = known
        read = link_graph.read(known, first)
        ends = {d.interface.name: d for d in read.values() if d.interface.name != "lo"}
        alone = {d.interface.name: d for d in link_graph.read({first: known[first]}, first).values()}
    finally:
        os.close(one)
        os.close(other)

    assert (ends["b"].node, ends["a"].node) == (ends["a"].link, ends["b"].link)
    assert (False, True, True) == (ends["a"].has_lost_link, alone["a"].has_lost_link, alone["a"].is_paired)
    assert {first, second} == {namespace for namespace, _ in read}
    assert not link_graph.read({first: known[first]}, first)


def test_a_process_without_a_tap_holds_none() -> None:
    assert [] == tap_holders.holders("cloisonnone", 1 << 20)
