"""Typical Compose files are rehearsed unchanged: only their networks are needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.rehearse.random_projects import rehearsed

from cloison.engine.compose_cli import Selection
from cloison.errors import FileError
from cloison.proof.schema import Proof

pytestmark = pytest.mark.engine
FILES = Path(__file__).parent / "files"
Arrow = tuple[str, str, int]


def of(*names: str, profiles: tuple[str, ...] = ()) -> Proof:
    """Rehearse files of the folder."""
    return rehearsed(Selection(files=tuple(str(FILES / name) for name in names), profiles=profiles))


def arrows(proof: Proof, *, observed: str = "open") -> set[Arrow]:
    """Return (source, target, port) of every flow that was seen `observed`, 0 for any other port."""
    return {
        (proof.vantages[flow.vantage].place, proof.endpoints[flow.endpoint].place, end.service_port)
        for flow in proof.flows
        for end in (proof.endpoints[flow.endpoint],)
        if flow.observed == observed
    }


def differing(proof: Proof) -> list[str]:
    """Return the reasons of all flows that are not as predicted."""
    return [flow.reason for flow in proof.flows if flow.drift or flow.observed == "unknown"]


STYLES: list[tuple[tuple[str, ...], str, set[Arrow], set[Arrow]]] = [
    (
        ("nextcloud.yml",),
        "drawn",
        {("outside", "app", 80), ("app", "db", 0), ("app", "outside", 0), ("cron", "redis", 0)},
        {("outside", "db", 0), ("db", "outside", 0), ("cron", "outside", 0)},
    ),
    (
        ("wordpress.yml",),
        "breached",  # before Engine 28 a port that is published on the loopback alone is open to the neighbours
        {("host", "wordpress", 80), ("wordpress", "db", 3306)},
        {("outside", "db", 3306), ("outside", "db", 33060)},
    ),
    (
        ("gitea.yml",),
        "drawn",
        {("outside", "server", 3000), ("outside", "server", 22), ("server", "db", 0)},
        {("outside", "db", 0)},
    ),
    (
        ("immich.yml",),
        "drawn",
        {("outside", "immich-server", 2283), ("redis", "outside", 0)},
        {("outside", "database", 0), ("outside", "immich-machine-learning", 0)},
    ),
    (
        ("traefik.yml",),
        "unproven",  # this engine does not have its external network
        {("outside", "traefik", 80), ("outside", "traefik", 443), ("metrics", "whoami", 0), ("whoami", "whoami", 0)},
        {("outside", "whoami", 0)},
    ),
    (
        ("vpn.yml",),
        "proven",
        {("outside", "gluetun", 8090), ("outside", "gluetun", 8888), ("indexer", "outside", 0)},
        {("outside", "gluetun", 0)},
    ),
    (
        ("extended/compose.yml",),
        "drawn",
        {("outside", "web", 8000), ("worker", "db", 0), ("worker", "worker", 0)},
        {("worker", "outside", 0), ("db", "outside", 0)},
    ),
    (
        ("several/compose.yml", "several/compose.prod.yml"),
        "drawn",
        {("outside", "edge", 443), ("edge", "api", 9000)},
        {("outside", "api", 9000), ("api", "outside", 0)},
    ),
]


@pytest.mark.parametrize(("names", "verdict", "opened", "shut"), STYLES, ids=[row[0][0] for row in STYLES])
def test_a_file_is_rehearsed_as_it_is(
    names: tuple[str, ...], verdict: str, opened: set[Arrow], shut: set[Arrow]
) -> None:
    proof = of(*names)

    assert [] == differing(proof)
    assert verdict == proof.verdict.word
    assert opened <= arrows(proof)
    assert shut <= arrows(proof, observed="shut")
    assert shut.isdisjoint(arrows(proof))


def test_the_services_of_a_profile_are_rehearsed_if_it_is_selected() -> None:
    assert ("outside", "proxy", 443) in arrows(of("immich.yml", profiles=("edge",)))


def test_stand_ins_are_noted() -> None:
    said = "\n".join(of("several/compose.yml", "several/compose.prod.yml").notes)

    assert "a rehearsal of several: " in said
    assert "edge:443 is published on 203.0.113.80, which is not an address of this machine" in said


def test_nothing_is_proven_on_an_external_network_that_is_not_there() -> None:
    (skipped,) = of("traefik.yml").coverage.skipped

    assert ("network proxy", True) == (skipped.what, "this engine has no network proxy" in skipped.why)


def test_a_part_that_cannot_be_rehearsed_is_never_proven() -> None:
    proof = of("home.yml")

    assert "unproven" == proof.verdict.word
    assert {"network lan", "service tail"} <= {item.what for item in proof.coverage.skipped}
    assert "tail" not in {service.name for service in proof.project.services}
    assert any("tail -> pihole:53 was not judged" in note for note in proof.notes)


def test_an_error_of_compose_is_reported_in_its_words() -> None:
    with pytest.raises(FileError, match="name the image"):
        of("required.yml")
