"""The engine's error messages, and the advice for each."""

import pytest

from cloison.publish.credentials import Login, from_password
from cloison.publish.error_advice import ADVICE, error_advice
from cloison.publish.image_reference import parse_reference

TARGET = parse_reference("registry.example:5000/team/ledger:1")
WORDS = {"host": TARGET.host, "path": TARGET.path, "tag": TARGET.tag, "user": "me"}
ME = from_password(TARGET.host, "me", "secret")
# What Engine 20.10 said, and what Docker Hub, GHCR, ECR, Harbor and nginx are documented to say.
SEEN = [
    ("unauthorized: authentication required", "does not accept me"),
    ("no basic auth credentials", "does not accept me"),
    ("unauthorized: incorrect username or password", "does not accept me"),
    ("denied: requested access to the resource is denied", "does not let me write to team/ledger"),
    ("denied: permission_denied: write_package", "does not let me write to team/ledger"),
    ("unexpected status from PUT request: 403 Forbidden", "does not let me write to team/ledger"),
    ("denied: adding 2 MiB of storage resource would exceed the quota", "has no space left"),
    ("write /var/lib/registry/x: no space left on device", "has no space left"),
    ("toomanyrequests: You have reached your pull rate limit", "no more requests"),
    ('Get "https://r/v2/": dial tcp: lookup r: no such host', "cannot resolve registry.example:5000"),
    (
        'Get "https://r/v2/": dial tcp: lookup r on 127.0.0.53:53: server misbehaving',
        "cannot resolve registry.example:5000",
    ),
    ('Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', "no server listens"),
    ("dial tcp 192.0.2.1:443: connect: no route to host", "no server listens"),
    ('Get "https://r/v2/": net/http: TLS handshake timeout', "does not answer in time"),
    ('Get "https://r/v2/": context deadline exceeded', "does not answer in time"),
    ('Get "https://r/v2/": dial tcp 192.0.2.1:443: i/o timeout', "does not answer in time"),
    ('Get "https://r/v2/": http: server gave HTTP response to HTTPS client', "speaks plain HTTP"),
    ('Get "https://r/v2/": x509: certificate signed by unknown authority', "does not trust the certificate"),
    ("error parsing HTTP 413 response body: invalid character '<'", "limits the size"),
    ("tag invalid: The image tag '1' already exists and cannot be overwritten", "choose another tag than 1"),
    ("name invalid: Missing image name. Pushes should be of the form <name>", "does not accept the name"),
    ("name unknown: The repository with name 'x' does not exist in the registry", "has no repository"),
    ("manifest unknown: manifest unknown", "does not know the manifest"),
    ("error parsing HTTP 404 response body: invalid character 'h'", "no registry for images"),
    ("error parsing HTTP 405 response body: invalid character 'M'", "no registry for images"),
    ("received unexpected HTTP status: 500 Internal Server Error", "failed"),
    ('Put "http://r/v2/x/manifests/1": EOF', "closed the connection"),
    ("write tcp 127.0.0.1:1->127.0.0.1:2: write: connection reset by peer", "closed the connection"),
    ("filesystem layer verification failed for digest sha256:00", "stores other bytes"),
    ("manifest verification failed for digest sha256:00", "stores other bytes"),
]


@pytest.mark.parametrize(("message", "expected"), SEEN)
def test_each_refusal_has_its_advice(message: str, expected: str) -> None:
    told = error_advice(message, TARGET, ME)

    assert expected in told
    assert f"({message})" in told


def test_every_row_is_reached() -> None:
    """A row that no message reaches is a row that nobody needs."""
    told = [error_advice(message, TARGET, ME) for message, _ in SEEN]

    assert [row for row in ADVICE if not any(t.startswith(row[1].format(**WORDS)) for t in told)] == []


@pytest.mark.parametrize("message", ["no basic auth credentials", "denied: requested access to the resource is denied"])
def test_without_a_login_the_advice_is_to_log_in(message: str) -> None:
    told = error_advice(message, TARGET, Login())

    assert "registry.example:5000 requires a login" in told
    assert "`docker login registry.example:5000`" in told


def test_docker_hub_is_logged_into_without_its_name() -> None:
    assert "`docker login`," in error_advice("unauthorized", parse_reference("me/ledger"), Login())


def test_what_nobody_foresaw_is_quoted() -> None:
    assert error_advice("the moon is full", TARGET, ME).startswith(
        "registry.example:5000 did not accept the image (the moon is full)"
    )


def test_a_registry_cannot_steer_the_terminal() -> None:
    told = error_advice("\x1b[2Jbad\r\n\tthing\u202e" + "x" * 1000, TARGET, ME)

    assert told.isprintable()
    assert "( [2Jbad thing" not in told
    assert len(told) < 500
