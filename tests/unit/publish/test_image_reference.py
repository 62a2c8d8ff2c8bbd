"""Names of images, as Docker reads them."""

import pytest

from cloison.errors import UsageError
from cloison.publish.image_reference import Reference, parse_reference

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("me/ledger", Reference("docker.io", "me/ledger", "latest")),
        ("me/ledger:1.0", Reference("docker.io", "me/ledger", "1.0")),
        ("docker.io/me/ledger:1", Reference("docker.io", "me/ledger", "1")),
        ("index.docker.io/me/ledger:1", Reference("docker.io", "me/ledger", "1")),
        ("localhost/ledger", Reference("localhost", "ledger", "latest")),
        ("registry.example/ledger", Reference("registry.example", "ledger", "latest")),
        ("registry.example:5000/team/ledger:v1", Reference("registry.example:5000", "team/ledger", "v1")),
        ("Registry.Example/ledger", Reference("Registry.Example", "ledger", "latest")),
        ("127.0.0.1:5000/a.b/c_d/e__f-g:_1.-", Reference("127.0.0.1:5000", "a.b/c_d/e__f-g", "_1.-")),
        ("[::1]:5000/ledger", Reference("[::1]:5000", "ledger", "latest")),
    ],
)
def test_a_name_is_read_as_docker_reads_it(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("me/Ledger:1", "write me/ledger"),
        ("Me/ledger", "write me/ledger"),
        ("ledger:1.0", "write YOU/ledger:1.0"),
        ("docker.io/ledger", "write YOU/ledger"),
        ("me/ledger:", '"" is not a tag'),
        ("me/ledger:-1", '"-1" is not a tag'),
        ("me/ledger:a b", '"a b" is not a tag'),
        (f"me/ledger:{'a' * 129}", "is not a tag"),
        ("me/ledger:1\n", "is not a tag"),
        (f"me/ledger@{DIGEST}", "without scheme and digest"),
        ("https://registry.example/ledger", "without scheme and digest"),
        ("", '"" is not a repository name'),
        ("me/", '"me/" is not a repository name'),
        ("me//ledger", "is not a repository name"),
        ("me/led ger", "is not a repository name"),
        ("me/-ledger", "is not a repository name"),
        ("registry.example/", '"" is not a repository name'),
        (f"registry.example/{'a' * 240}", "is not a repository name"),
        ("registry.example:port/ledger", '"registry.example:port" is not a registry'),
        ("-registry.example/ledger", "is not a registry"),
        ("../ledger", "is not a registry"),
    ],
)
def test_what_is_no_name_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(UsageError) as error_advice:
        parse_reference(text)

    assert advice in str(error_advice.value)


def test_a_name_by_digest_says_the_registry() -> None:
    assert parse_reference("me/ledger:1.0").with_digest(DIGEST) == f"docker.io/me/ledger@{DIGEST}"
