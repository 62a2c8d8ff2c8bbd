"""A container that should share another one's namespace is compared with it by the engine and by the kernel."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.fake_engine import STACK, container

from cloison.findings.shared_namespaces import stale_namespaces
from cloison.model.facts import Container

VPN = container("vpn")
TORRENT = container("torrent", network_mode="container:id-of-vpn-1")
TOGETHER = {"vpn-1": 1, "torrent-1": 1}


def found(*containers: Container, **namespaces: int) -> list[tuple[str, str, str]]:
    held = {name.replace("_", "-"): inode for name, inode in namespaces.items()}
    owners = {"torrent": "vpn"}
    risks = stale_namespaces("shop", (*STACK.facts.containers, *containers), owners, held or TOGETHER)
    return [(risk.where, risk.sentence.partition(",")[0], risk.evidence) for risk in risks]


def test_one_namespace_of_both_is_no_finding() -> None:
    assert [] == found(VPN, TORRENT)
    assert [] == found(VPN, TORRENT, vpn_1=1)  # one could not be entered


def test_an_owner_that_started_again_has_another_namespace() -> None:
    expected = "its namespace is net:[1], that of vpn-1 is net:[2]"

    assert [("torrent-1", "is not in the network namespace of vpn", expected)] == found(
        VPN, TORRENT, vpn_1=2, torrent_1=1
    )


def test_an_owner_that_was_made_again_is_gone() -> None:
    ((_, sentence, why),) = found(replace(VPN, identity="new"), TORRENT)

    assert ("is not in the network namespace of vpn", "the container whose namespace it joined is gone") == (
        sentence,
        why,
    )


def test_an_owner_that_does_not_run_has_no_namespace() -> None:
    ((_, _, why),) = found(replace(VPN, pid=0), TORRENT)

    assert "vpn-1 does not run" == why


def test_another_owner_than_the_files_is_named() -> None:
    db = replace(TORRENT, network_mode="container:id-of-db-1")

    assert "it joined db-1, and the file names vpn (vpn-1)" == found(VPN, db)[0][2]
    assert "it joined db-1, and the file names vpn (not running)" == found(db)[0][2]


def test_a_container_by_its_name_and_others_need_no_service() -> None:
    other = container("other", network_mode="container:id-of-vpn-1")
    foreign = replace(TORRENT, project="another")

    ((where, sentence, _),) = found(VPN, other, other_1=1, vpn_1=2)
    assert ("other-1", "is not in the network namespace of vpn-1") == (where, sentence)
    assert "the container that it names" in found(container("other", network_mode="container:gone"))[0][1]
    assert [] == found(VPN, foreign, torrent_1=1, vpn_1=2) == found(VPN, replace(TORRENT, pid=0))
