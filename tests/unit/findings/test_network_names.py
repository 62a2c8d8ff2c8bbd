"""Names and hardware addresses that two containers of one network share."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.fake_engine import BACK, FRONT, STACK, container, foreign_container

from cloison.findings.network_names import ambiguous_names, equal_macs, foreign_names
from cloison.model.facts import Attachment, Container, Facts


def named(network: str, address: str, *names: str) -> tuple[Attachment, ...]:
    return (Attachment(network, address, names=names),)


def other(name: str, network: str, *names: str, project: str = "blog") -> Container:
    return replace(foreign_container(name, project=project), attachments=named(network, "172.30.1.66", *names))


def facts(*containers: Container) -> Facts:
    return STACK.with_containers(*containers).facts


def names(*containers: Container) -> dict[str, list[str]]:
    return ambiguous_names(facts(*containers), "shop", STACK.project.services)


def test_only_a_name_of_the_project_on_a_network_of_the_asking_container_is_asked() -> None:
    every = {name: ["db"] for name in ("app-1", "db-1", "proxy-1")}

    assert every == names(other("blog-db-1", BACK, "db", "blog-db-1"))
    assert {"proxy-1": ["db"]} == names(other("blog-db-1", FRONT, "db"))
    assert {} == names(other("grafana", BACK, "grafana")) == names()


def test_an_alias_is_a_name_and_a_stopped_container_asks_nothing() -> None:
    alias = replace(container("cache"), attachments=named(BACK, "172.30.1.9", "fast"))
    stopped = replace(alias, name="cache-2", pid=0)

    assert ["fast"] == names(alias, other("x", BACK, "fast"))["cache-1"]
    assert "cache-2" not in names(alias, stopped, other("x", BACK, "fast"))


def test_a_name_that_leads_to_another_project_is_a_finding_with_all_that_it_gives() -> None:
    there = facts(other("blog-db-1", BACK, "db"), other("spy", FRONT, "db", project=""))
    (risk,) = foreign_names(there, "shop", {("app-1", "db"): {"172.30.1.2", "172.30.1.66"}})

    assert ("foreign-name", "app-1") == (risk.what, risk.where)
    assert risk.sentence.startswith("asks for db and gets blog/blog-db-1 and shop/db-1:")
    assert "the engine's name server answers 172.30.1.2, 172.30.1.66" == risk.evidence
    assert [] == [*foreign_names(there, "shop", {("app-1", "db"): {"172.30.1.2"}, ("app-1", "app"): set()})]


def test_a_container_without_a_project_is_named_so() -> None:
    there = facts(other("spy", BACK, "db", project=""))
    (risk,) = foreign_names(there, "shop", {("app-1", "db"): {"172.30.1.66"}})

    assert "gets no project/spy" in risk.sentence


def test_equal_hardware_addresses_on_one_network_are_a_finding_with_both_names() -> None:
    held = [(BACK, "02:00:00:00:00:01", name) for name in ("db-1", "app-1")]
    (risk,) = equal_macs([*held, (FRONT, "02:00:00:00:00:01", "proxy-1"), (BACK, "02:00:00:00:00:02", "proxy-1")])

    assert ("equal-mac", "app-1") == (risk.what, risk.where)
    assert f"has the hardware address of db-1 on {BACK}" in risk.sentence
