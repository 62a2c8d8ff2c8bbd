"""The policy of the FORWARD chain is read for both backends of iptables, in a new namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from cloison.linux import netns
from cloison.linux.netfilter import forward_policy, other_drop_chains

pytestmark = pytest.mark.engine
BACKENDS = ("iptables-nft", "iptables-legacy")


@pytest.fixture
def empty() -> Iterator[None]:
    """Enter a namespace without rules; both backends of iptables are installed."""
    missing = [program for program in BACKENDS if not shutil.which(program)]
    assert not missing, f"{missing} are missing; setup/packages.test names iptables"
    descriptor = netns.new()
    try:
        with netns.inside(descriptor):
            yield
    finally:
        os.close(descriptor)


def set_policy(program: str, word: str) -> None:
    """Set the policy as an engine does, with a rule with matches before it."""
    subprocess.run([program, "-A", "INPUT", "-p", "tcp", "--dport", "80", "-j", "ACCEPT"], check=True)
    subprocess.run([program, "-P", "FORWARD", word], check=True)


def test_without_rules_the_forward_policy_is_accept(empty: None) -> None:
    assert "ACCEPT" == forward_policy(4)


@pytest.mark.parametrize("program", BACKENDS)
@pytest.mark.parametrize("word", ["ACCEPT", "DROP"])
def test_the_policy_of_each_backend_is_read(empty: None, program: str, word: str) -> None:
    set_policy(program, word)

    assert word == forward_policy(4)


@pytest.mark.parametrize("dropping", BACKENDS)
def test_a_drop_of_one_backend_is_a_drop(empty: None, dropping: str) -> None:
    for program in BACKENDS:
        set_policy(program, "DROP" if program == dropping else "ACCEPT")

    assert "DROP" == forward_policy(4)


def test_the_policy_of_the_host_is_the_one_that_iptables_shows() -> None:
    shown = subprocess.run(["iptables", "--wait", "-S", "FORWARD"], check=True, capture_output=True, text=True)

    assert shown.stdout.split()[2] == forward_policy(4)


def run(*words: str) -> None:
    subprocess.run(words, check=True)


def test_without_rules_no_chain_drops(empty: None) -> None:
    assert [] == other_drop_chains()


def test_the_forward_chain_of_filter_is_left_out(empty: None) -> None:
    for program in BACKENDS:
        set_policy(program, "DROP")

    assert [] == other_drop_chains()


def test_dropping_chains_of_both_backends_are_named(empty: None) -> None:
    run("iptables-nft", "-t", "mangle", "-P", "FORWARD", "DROP")
    run("iptables-legacy", "-t", "raw", "-P", "PREROUTING", "DROP")
    run("ip6tables-legacy", "-t", "mangle", "-P", "POSTROUTING", "DROP")
    run("iptables-nft", "-P", "INPUT", "DROP")
    run("nft", "add table inet mine; add chain inet mine gate { type filter hook forward priority 5; policy drop; }")
    run(
        "nft", "add chain inet mine open { type filter hook input priority 5; policy accept; }; add chain inet mine low"
    )

    assert [
        "FORWARD of the table mangle (ip)",
        "INPUT of the table filter (ip)",
        "POSTROUTING of the table mangle (legacy ip6tables)",
        "PREROUTING of the table raw (legacy iptables)",
        "gate of the table mine (inet)",
    ] == other_drop_chains()
