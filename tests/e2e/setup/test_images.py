from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.setup.conftest import FakeMachine

AIRGAP = "COMPOSE_FILE=compose.yml:compose.airgap.yml"
REGISTRY = "COMPOSE_FILE=compose.yml"
NO_REGISTRY = {'"manifest inspect"*': "exit 1", '"pull"*': "exit 1"}


@pytest.fixture
def prepared(fake_machine: FakeMachine) -> FakeMachine:
    """A machine that can do all, and whose images/build.sh says that it was called."""
    assert fake_machine.run("setup/python.sh").code == 0
    fake_machine.fake("mmdebstrap", "exit 0")
    recipe(fake_machine, "exit 0")
    return fake_machine


def recipe(fake_machine: FakeMachine, script: str) -> None:
    build = fake_machine.clone / "images" / "build.sh"
    build.parent.mkdir(exist_ok=True)
    build.write_text(
        f"#!/bin/bash\necho images/build.sh bundle=$CLOISON_CA_BUNDLE >>{fake_machine.home}/calls\n{script}\n"
    )
    build.chmod(0o755)


def was_built(fake_machine: FakeMachine) -> bool:
    return any(call.startswith("images/build.sh") for call in fake_machine.calls())


def pulled(fake_machine: FakeMachine) -> list[str]:
    return [call.split()[-1] for call in fake_machine.calls() if call.startswith("docker pull")]


# ── the choice ──────────────────────────────────────────────────────────────────────────────────────────────


def test_missing_images_are_pulled_from_a_reachable_registry(prepared: FakeMachine) -> None:
    result = prepared.run("setup/images.sh")

    assert result.code == 0
    assert "The base images come from their registry. The choice is saved in .env" in result.said
    assert REGISTRY in prepared.dotenv.read_text().splitlines()
    assert pulled(prepared) == ["base:1", "db:1", "proxy:1"]
    assert not was_built(prepared)


def test_existing_images_need_no_registry(prepared: FakeMachine) -> None:
    prepared.docker({'"image inspect"*': "exit 0"})

    result = prepared.run("setup/images.sh")

    assert "All images are here already." in result.said
    assert not any("manifest" in call for call in prepared.calls())


def test_no_registry_means_images_from_packages(prepared: FakeMachine) -> None:
    prepared.docker(NO_REGISTRY)

    result = prepared.run("setup/images.sh")

    assert result.code == 0
    assert "No registry is reachable: the base images are built here from Debian packages." in result.said
    assert AIRGAP in prepared.dotenv.read_text().splitlines()
    assert was_built(prepared)


def test_a_registry_that_does_not_answer_times_out(prepared: FakeMachine) -> None:
    prepared.docker({'"manifest inspect"*': "sleep 300", '"pull"*': "sleep 300"})

    result = prepared.run("setup/images.sh", CLOISON_ANSWER_LIMIT="1")

    assert result.code == 0
    assert "No registry is reachable" in result.said
    assert was_built(prepared)


@pytest.mark.parametrize("pull", ["sleep 300", "exit 1", '[[ "$*" == *base* ]]'])
def test_a_registry_that_cannot_deliver_the_images_is_not_used(prepared: FakeMachine, pull: str) -> None:
    prepared.docker({'"pull"*': pull})

    result = prepared.run("setup/images.sh", CLOISON_PULL_LIMIT="1")

    assert result.code == 0
    assert "The registry answers, but the images cannot be pulled: the base images are built here" in result.said
    assert AIRGAP in prepared.dotenv.read_text().splitlines()


def test_the_engine_may_reach_a_registry_that_its_client_cannot(prepared: FakeMachine) -> None:
    prepared.docker({'"manifest inspect"*': "exit 1"})

    prepared.run("setup/images.sh")

    assert REGISTRY in prepared.dotenv.read_text().splitlines()


def test_the_air_gap_can_be_asked_for(prepared: FakeMachine) -> None:
    result = prepared.run("setup/images.sh", CLOISON_AIRGAP="1")

    assert "as CLOISON_AIRGAP=1 asks" in result.said
    assert AIRGAP in prepared.dotenv.read_text().splitlines()
    assert pulled(prepared) == []


def test_the_registry_can_be_required(prepared: FakeMachine) -> None:
    prepared.docker(NO_REGISTRY)

    result = prepared.run("setup/images.sh", CLOISON_AIRGAP="0")

    assert result.code == 1
    assert "The images could not be pulled, and CLOISON_AIRGAP=0 forbids building them here." in result.said
    assert not was_built(prepared)


def test_an_air_gap_is_yes_or_no(prepared: FakeMachine) -> None:
    result = prepared.run("setup/images.sh", CLOISON_AIRGAP="perhaps")

    assert result.code == 1
    assert 'CLOISON_AIRGAP is "perhaps". It is 1 (build the base images here) or 0 (pull them).' in result.said


def test_the_choice_is_kept_when_the_network_changes(prepared: FakeMachine) -> None:
    prepared.run("setup/images.sh")
    prepared.docker(NO_REGISTRY)

    result = prepared.run("setup/images.sh")

    assert result.code == 1
    assert "an earlier choice in .env is the registry. Check the registry and docker login, or run" in result.said
    assert not was_built(prepared)


def test_the_user_s_own_compose_file_decides(prepared: FakeMachine) -> None:
    prepared.dotenv.write_text(f"{AIRGAP}:mine.yml\n")

    result = prepared.run("setup/images.sh")

    assert "The stack is COMPOSE_FILE=compose.yml:compose.airgap.yml:mine.yml, as .env says." in result.said
    assert prepared.dotenv.read_text() == f"{AIRGAP}:mine.yml\n"
    assert was_built(prepared)


def test_the_user_s_lines_in_dotenv_stay_as_they_are(prepared: FakeMachine) -> None:
    mine = "# mine\nLEDGER_WORKERS='4'\n\n  export ODD = x=y \n\n"
    prepared.dotenv.write_text(mine)
    prepared.dotenv.chmod(0o600)

    prepared.run("setup/images.sh")
    prepared.run("setup/images.sh", CLOISON_AIRGAP="1")

    text = prepared.dotenv.read_text()
    assert text.startswith(mine)
    assert text.count("COMPOSE_FILE=") == 1
    assert prepared.dotenv.stat().st_mode & 0o777 == 0o600


# ── what can go wrong ───────────────────────────────────────────────────────────────────────────────────────


def test_too_little_space_for_images_is_an_error(prepared: FakeMachine) -> None:
    prepared.fake("df", "echo header; echo / 0 0 2097151 0 /")

    result = prepared.run("setup/images.sh")

    assert result.code == 1
    assert (
        "Docker needs 3 GB in /, and 1 GB are free. Free space there (for example with docker system prune"
        in result.said
    )
    assert pulled(prepared) == []


def test_the_space_of_a_remote_engine_is_not_checked_here(prepared: FakeMachine) -> None:
    prepared.docker({'"context inspect"*': "echo ssh://elsewhere"})
    prepared.fake("df", "echo header; echo / 0 0 1 0 /")

    assert prepared.run("setup/images.sh").code == 0


def test_a_build_that_fails_shows_why(prepared: FakeMachine) -> None:
    prepared.docker(NO_REGISTRY)
    recipe(prepared, "echo the mirror does not answer; exit 1")

    result = prepared.run("setup/images.sh")

    assert result.code == 1
    assert "    | the mirror does not answer" in result.said
    assert "The base images could not be built from Debian packages. See the lines above" in result.said


def test_images_from_packages_need_apt(prepared: FakeMachine) -> None:
    prepared.docker(NO_REGISTRY)
    (prepared.home / "bin" / "mmdebstrap").unlink()

    result = prepared.run("setup/images.sh")

    assert result.code == 1
    assert "mmdebstrap, which makes images from Debian packages, is missing, and this script can" in result.said


# ── certificates ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["CLOISON_CA_BUNDLE", "SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"])
def test_the_machine_s_own_certificates_are_trusted_in_builds(prepared: FakeMachine, name: str) -> None:
    bundle = prepared.home / "corporate.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")

    result = prepared.run("env", f"{name}={bundle}", "setup/images.sh", CLOISON_AIRGAP="1")

    assert (f"(from {name}; CLOISON_CA_BUNDLE names others)" in result.said) == (name != "CLOISON_CA_BUNDLE")
    assert f"images/build.sh bundle={bundle}" in prepared.calls()
    assert f"CLOISON_CA_BUNDLE={bundle}" in prepared.dotenv.read_text().splitlines()
    assert (prepared.clone / "app/ca/given.crt").read_text() == bundle.read_text()


def test_a_bundle_without_certificates_is_refused(prepared: FakeMachine) -> None:
    result = prepared.run("setup/images.sh", CLOISON_CA_BUNDLE="/nowhere.pem")

    assert result.code == 1
    assert "CLOISON_CA_BUNDLE names /nowhere.pem, which contains no certificate." in result.said


def test_a_machine_whose_own_bundle_is_missing_is_not_stopped_by_that(prepared: FakeMachine) -> None:
    assert prepared.run("setup/images.sh", SSL_CERT_FILE="/nowhere.pem").code == 0


# ── the age ─────────────────────────────────────────────────────────────────────────────────────────────────

PINNED = f"nginx:alpine@sha256:{'0' * 64}"
CONFIG = f'{{"name": "world", "services": {{"db": {{"image": "db:1"}}, "proxy": {{"image": "{PINNED}"}}}}}}'


def created(prepared: FakeMachine, **days: int) -> str:
    """Have the two images made so many days ago, and return what the step says."""
    names = {"db": "db:1", "proxy": PINNED}
    prepared.docker(
        {
            '"compose "*"config --format json"': f"echo '{CONFIG}'",
            **{
                f'"image inspect"*Created*{names[name]}': f"date -d '-{age} days' +%FT%TZ" for name, age in days.items()
            },
            '"image inspect"*': "exit 0",
        }
    )
    return prepared.run("setup/images.sh").said


def test_an_old_image_is_told_with_what_renews_it(prepared: FakeMachine) -> None:
    said = created(prepared, db=31, proxy=29)
    assert "The base image db:1 is 31 days old. make up REFRESH=1 gets its security updates." in said
    assert PINNED not in said
    said = created(prepared, db=29, proxy=31)
    assert f"The base image {PINNED} is 31 days old. setup/pin-images.sh names the one that its tag has now." in said
    assert "db:1" not in said


def test_a_refresh_pulls_what_is_here_already(prepared: FakeMachine) -> None:
    prepared.dotenv.write_text(f"{REGISTRY}\n")
    prepared.docker({'"image inspect"*': "exit 0"})
    prepared.run("setup/images.sh")
    assert pulled(prepared) == []

    prepared.run("setup/images.sh", REFRESH="1")
    assert pulled(prepared) == ["base:1", "db:1", "proxy:1"]


def test_a_refresh_asks_debian_for_newer_packages_of_the_stand_ins(prepared: FakeMachine) -> None:
    recipe(prepared, f"echo arguments=$* >>{prepared.home}/calls")
    prepared.docker({'"image inspect"*': "exit 0"})
    prepared.run("setup/images.sh", CLOISON_AIRGAP="1", REFRESH="1")

    assert "arguments=--refresh" in prepared.calls()
