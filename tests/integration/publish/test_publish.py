"""Publishing with a real engine and a real registry with a password, and every failure between them."""

import json
import os
import pty
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from tests.integration.publish.local_registry import (
    PASSWORD,
    USERNAME_KEYS,
    Answer,
    Disconnect,
    Image,
    Publisher,
    Registry,
    TamperingProxy,
    docker,
    free_port,
    make_image,
    remove_image,
)

pytestmark = pytest.mark.engine

UNRESOLVABLE = "a" * 64 + ".example"
"""A label is longer than DNS allows, so nobody is asked."""


def test_a_published_image_can_be_pulled_by_the_printed_digest(
    person: Publisher, registry: Registry, image: Image
) -> None:
    """Login, push, read back, pull: the image that comes back is the one that went."""
    target = f"{registry.host}/team/ledger"

    done = person.publishes(f"{target}:1.0", "--from", image.name, password=PASSWORD)

    assert (done.code, done.out) == (0, f"{target}@{registry.digest('team/ledger', '1.0')}\n"), done.err
    assert done.err == f"publishing {image.name} as {target}:1.0\n"
    assert f"{target}:1.0" in image.names()
    remove_image(image)
    person.logged_in(registry.host)
    docker("pull", done.out.strip(), config=person.config)
    assert docker("image", "inspect", "--format", "{{.Id}}", done.out.strip()) == image.image_id


def test_the_tag_is_latest_unless_one_is_named(person: Publisher, registry: Registry, image: Image) -> None:
    done = person.publishes(f"{registry.host}/ledger", "--from", image.name, password=PASSWORD)

    assert done.out == f"{registry.host}/ledger@{registry.digest('ledger', 'latest')}\n"


def test_publishing_twice_gives_the_same_digest(person: Publisher, registry: Registry, image: Image) -> None:
    person.logged_in(registry.host)

    first, second = (person.publishes(f"{registry.host}/ledger:1", "--from", image.name) for _ in range(2))

    assert first.code == 0
    assert first == second


def test_the_password_of_docker_login_is_used(person: Publisher, registry: Registry, image: Image) -> None:
    person.logged_in(registry.host)

    done = person.publishes(f"{registry.host}/ledger:1", "--from", image.name)

    assert (done.code, done.out) == (0, f"{registry.host}/ledger@{registry.digest('ledger', '1')}\n")


def test_a_credential_helper_is_asked(person: Publisher, registry: Registry, image: Image) -> None:
    helper = person.home / "bin" / "docker-credential-vault"
    told = json.dumps({"ServerURL": registry.host, "Username": USERNAME_KEYS, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\n[ \"$1 $(cat)\" = 'get {registry.host}' ] && echo '{told}'\n")
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    person.write_config(credHelpers={registry.host: "vault"})

    done = person.publishes(f"{registry.host}/ledger:1", "--from", image.name)

    assert done.code == 0, done.err


def test_a_given_password_wins_over_the_stored_one(person: Publisher, registry: Registry, image: Image) -> None:
    person.logged_in(registry.host, password="old one")

    done = person.publishes(f"{registry.host}/ledger:1", "--from", image.name, password=PASSWORD)

    assert done.code == 0, done.err


def test_the_image_that_the_project_builds_is_published(person: Publisher, registry: Registry, image: Image) -> None:
    """Compose itself says which it is, with its own variables."""
    compose = "services: {app: {build: ., image: '${WHICH}'}, db: {image: none}}\n"
    (person.home / "work" / "compose.yml").write_text(compose)

    done = person.publishes(f"{registry.host}/ledger:1", password=PASSWORD, settings={"WHICH": image.name})

    assert done.code == 0, done.err
    assert registry.digest("ledger", "1") in done.out


def test_a_wrong_password_is_named_and_nothing_stays(person: Publisher, registry: Registry, image: Image) -> None:
    before = image.names()

    done = person.publishes(f"{registry.host}/ledger:1", "--from", image.name, password="not it")

    assert (done.code, done.out) == (1, "")
    assert f"{registry.host} does not accept me" in done.err
    assert f"`docker login {registry.host}`" in done.err
    assert image.names() == before


def test_no_password_is_named_and_nothing_stays(person: Publisher, registry: Registry, image: Image) -> None:
    before = image.names()

    done = person.publishes(f"{registry.host}/ledger:1", "--from", image.name)

    assert (done.code, done.out) == (1, "")
    assert f"{registry.host} requires a login" in done.err
    assert "--password-stdin" in done.err
    assert image.names() == before


def test_an_image_that_is_not_there_is_named(person: Publisher) -> None:
    done = person.publishes("127.0.0.1:1/ledger", "--from", "cloison-test-nobody:1")

    assert (done.code, done.out) == (2, "")
    assert 'there is no local image "cloison-test-nobody:1"' in done.err


@pytest.mark.parametrize("name", ["", "Not A Name", "a:b:c"])
def test_an_invalid_name_is_not_an_image(person: Publisher, name: str) -> None:
    done = person.publishes("127.0.0.1:1/ledger", "--from", name)

    assert (done.code, done.out) == (2, "")
    assert f'"{name}"' in done.err
    assert "Traceback" not in done.err


def test_an_unknown_host_is_named_and_nothing_stays(person: Publisher, image: Image) -> None:
    before = image.names()

    done = person.publishes(f"{UNRESOLVABLE}:5000/ledger:1", "--from", image.name)

    assert (done.code, done.out) == (1, "")
    assert "the engine cannot resolve" in done.err
    assert image.names() == before


def test_a_registry_that_does_not_run_is_named_and_nothing_stays(person: Publisher, image: Image) -> None:
    before, host = image.names(), f"127.0.0.1:{free_port()}"

    done = person.publishes(f"{host}/ledger:1", "--from", image.name)

    assert (done.code, done.out) == (1, "")
    assert f"no server listens at {host}" in done.err
    assert image.names() == before


def test_a_registry_that_stops_during_the_push_is_named_and_nothing_stays(
    person: Publisher, tampering_proxy: TamperingProxy, image: Image
) -> None:
    before = image.names()

    def die(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT" and "/manifests/" in path:
            tampering_proxy.registry.process.kill()
            raise Disconnect
        return answer

    tampering_proxy.rule = die
    done = person.publishes(f"{tampering_proxy.host}/ledger:1", "--from", image.name, password=PASSWORD)

    assert (done.code, done.out) == (1, "")
    assert f"{tampering_proxy.host} closed the connection" in done.err
    assert image.names() == before


def test_a_registry_that_stops_before_the_verification_is_an_error(
    person: Publisher, tampering_proxy: TamperingProxy, image: Image
) -> None:
    before = image.names()
    pushed: list[str] = []

    def die(method: str, path: str, answer: Answer) -> Answer:
        if pushed:
            raise Disconnect
        if method == "PUT" and "/manifests/" in path:
            pushed.append(path)
        return answer

    tampering_proxy.rule = die
    done = person.publishes(f"{tampering_proxy.host}/ledger:1", "--from", image.name, password=PASSWORD)

    assert (done.code, done.out) == (1, "")
    assert "was pushed but not found again" in done.err
    assert image.names() == before


def test_an_interrupted_push_leaves_nothing(person: Publisher, tampering_proxy: TamperingProxy, image: Image) -> None:
    """The engine would go on trying for a minute; the person does not have to wait."""
    before = image.names()

    def fail(method: str, path: str, answer: Answer) -> Answer:
        if method == "POST" and path.endswith("/uploads/"):
            raise Disconnect
        return answer

    tampering_proxy.rule = fail
    person.logged_in(tampering_proxy.host)
    run = person.start(f"{tampering_proxy.host}/ledger:1", "--from", image.name)
    with run:
        assert run.stderr is not None
        said = run.stderr.readline() + run.stderr.readline()
        assert b"the engine tries again" in said
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=20) == 130

    assert image.names() == before


def test_a_tag_that_was_moved_meanwhile_is_detected(
    person: Publisher, tampering_proxy: TamperingProxy, image: Image, other: Image
) -> None:
    """Somebody changes the registry's storage between push and question."""
    person.publishes(f"{tampering_proxy.host}/ledger:other", "--from", other.name, password=PASSWORD)
    before, foreign_digest = image.names(), tampering_proxy.registry.digest("ledger", "other")
    tags = tampering_proxy.registry.storage / "docker/registry/v2/repositories/ledger/_manifests/tags"

    def move(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT" and path.endswith("/manifests/1"):
            (tags / "1/current/link").write_text(foreign_digest)
        return answer

    tampering_proxy.rule = move
    done = person.publishes(f"{tampering_proxy.host}/ledger:1", "--from", image.name, password=PASSWORD)

    assert (done.code, done.out) == (1, "")
    assert f"was pushed, but {tampering_proxy.host} reports {foreign_digest}" in done.err
    assert image.names() == before


def test_a_registry_with_a_wrong_digest_is_detected(
    person: Publisher, tampering_proxy: TamperingProxy, image: Image
) -> None:
    """The engine asks for the bytes behind the digest that it is told, and there are none."""
    before, lie = image.names(), f"sha256:{'0' * 64}"

    def lie_about(method: str, path: str, answer: Answer) -> Answer:
        if method == "HEAD" and path.endswith("/manifests/1"):
            answer.headers = [(k, lie if k == "Docker-Content-Digest" else v) for k, v in answer.headers]
        return answer

    tampering_proxy.rule = lie_about
    done = person.publishes(f"{tampering_proxy.host}/ledger:1", "--from", image.name, password=PASSWORD)

    assert (done.code, done.out) == (1, "")
    assert "was pushed but not found again" in done.err
    assert image.names() == before


def test_altered_bytes_with_the_right_digest_are_detected(
    person: Publisher, tampering_proxy: TamperingProxy, image: Image
) -> None:
    """The registry still names the digest that was pushed; only the bytes tell."""
    before, altered = image.names(), []

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT" and path.endswith("/manifests/1"):
            blob = tampering_proxy.registry.blob(dict(answer.headers)["Docker-Content-Digest"])
            blob.write_bytes(blob.read_bytes().replace(b"   ", b"\t\t\t", 1))
            altered.append(blob)
        return answer

    tampering_proxy.rule = alter
    done = person.publishes(f"{tampering_proxy.host}/ledger:1", "--from", image.name, password=PASSWORD)

    assert altered
    assert (done.code, done.out) == (1, "")
    assert f"{tampering_proxy.host} stores other bytes than were pushed" in done.err
    assert image.names() == before


def test_a_tag_of_another_image_is_restored(person: Publisher, registry: Registry, image: Image, other: Image) -> None:
    docker("tag", other.image_id, f"{registry.host}/ledger:1")
    before = image.names(), other.names()

    done = person.publishes(f"{registry.host}/ledger:1", "--from", image.name)

    assert done.code == 1
    assert (image.names(), other.names()) == before


def test_a_name_that_the_image_had_stays(person: Publisher, registry: Registry, image: Image) -> None:
    docker("tag", image.image_id, f"{registry.host}/ledger:1")
    before = image.names()

    done = person.publishes(f"{registry.host}/ledger:1", "--from", image.name)

    assert done.code == 1
    assert image.names() == before


def test_an_image_without_another_name_is_not_lost(person: Publisher, registry: Registry) -> None:
    """Taking its last name away would delete it."""
    image = make_image("")
    try:
        done = person.publishes(f"{registry.host}/ledger:1", "--from", image.image_id)

        assert done.code == 1
        assert f"{registry.host}/ledger:1 stays as a local name" in done.err
        assert image.names() == {f"{registry.host}/ledger:1"}
    finally:
        remove_image(image)


def test_an_engine_that_does_not_run_is_named(person: Publisher) -> None:
    done = person.publishes("me/ledger", "--from", "any", settings={"DOCKER_HOST": "unix:///nowhere.sock"})

    assert (done.code, done.out) == (3, "")
    assert "no Docker engine answers at unix:///nowhere.sock: No such file or directory" in done.err


def test_the_engine_of_the_context_is_asked(person: Publisher) -> None:
    """Which is the one that `docker push` would use."""
    address = "host=unix:///elsewhere.sock"
    for arguments in (["create", "away", "--docker", address], ["use", "away"]):
        subprocess.run(["docker", "context", *arguments], env=person.environment(), check=True, capture_output=True)

    done = person.publishes("me/ledger", "--from", "any")

    assert (done.code, done.out) == (3, "")
    assert "no Docker engine answers at unix:///elsewhere.sock" in done.err


def test_a_terminal_sees_progress_and_stdout_stays_clean(person: Publisher, registry: Registry, image: Image) -> None:
    person.logged_in(registry.host)
    master, slave = pty.openpty()
    try:
        run = person.start(f"{registry.host}/ledger:1", "--from", image.name, stderr=slave)
        out, _ = run.communicate(timeout=60)
        time.sleep(0.1)
        shown = os.read(master, 65536).decode()
    finally:
        os.close(master)
        os.close(slave)

    assert out.decode() == f"{registry.host}/ledger@{registry.digest('ledger', '1')}\n"
    assert "\x1b[" in shown
    assert "pushing" in shown


def test_a_password_is_not_typed_where_it_can_be_seen(person: Publisher) -> None:
    master, slave = pty.openpty()
    try:
        run = person.start("me/ledger", "--from", "any", "--username", USERNAME_KEYS, "--password-stdin", stdin=slave)
        _, err = run.communicate(timeout=60)
    finally:
        os.close(master)
        os.close(slave)

    assert run.returncode == 2
    assert b"reads a pipe or a file" in err


def test_without_a_project_the_image_must_be_named(person: Publisher) -> None:
    done = person.publishes("me/ledger")

    assert (done.code, done.out) == (2, "")
    assert "--from LOCAL_IMAGE" in done.err


def test_an_invalid_name_causes_no_request(person: Publisher) -> None:
    done = person.publishes("me/Ledger", "--from", "any", settings={"DOCKER_HOST": "unix:///nowhere.sock"})

    assert (done.code, done.out) == (2, "")
    assert "write me/ledger" in done.err


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (("--username", "me"), b"", "go together"),
        (("--password-stdin",), b"x", "go together"),
        (("--username", "me", "--password-stdin"), b"\n", "standard input is empty"),
        (("--username", "me", "--password-stdin"), b"\xff\n", "not UTF-8"),
    ],
)
def test_an_incomplete_login_is_an_error(
    person: Publisher, arguments: tuple[str, ...], stdin: bytes, sentence: str
) -> None:
    done = person.publishes("me/ledger", "--from", "any", *arguments, stdin=stdin)

    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_a_configuration_that_cannot_be_read_is_named(person: Publisher) -> None:
    path: Path = person.config / "config.json"
    path.write_text("{")

    done = person.publishes("me/ledger", "--from", "any")

    assert (done.code, done.out) == (2, "")
    assert f"{path} is not a valid configuration of Docker" in done.err


def test_a_credential_helper_that_is_missing_is_named(person: Publisher) -> None:
    person.write_config(credsStore="nowhere")

    done = person.publishes("me/ledger", "--from", "any")

    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "docker-credential-nowhere" in done.err
