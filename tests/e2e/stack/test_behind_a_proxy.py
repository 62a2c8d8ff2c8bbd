"""Behind a proxy that terminates TLS: whose headers are believed, and the settings that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import ROOT, Stack, run, with_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.stack

NAME = "ledger.test"
HSTS = "Strict-Transport-Security"


@pytest.fixture(scope="module")
def behind(session_stack: Stack) -> Iterator[Stack]:
    """Have the stack behind another proxy: the host, which is where the tests are."""
    gateway = session_stack.inspect("proxy")["NetworkSettings"]["Networks"][session_stack.network("frontend_net")]
    trusted = f"192.0.2.0/24, {gateway['Gateway']}"
    yield from with_settings(session_stack, CLOISON_PUBLIC_URL=f"https://{NAME}", CLOISON_TRUSTED_PROXIES=trusted)


def test_a_trusted_proxy_is_believed(behind: Stack) -> None:
    given = {"Host": NAME, "X_Forwarded_Proto": "https", "X_Forwarded_For": "203.0.113.9, 198.51.100.7"}
    answer = behind.get("/login", **given)
    behind.get("/nowhere-behind", **given)
    log = behind.compose("logs", "--no-log-prefix", "proxy").splitlines()
    line = next(one for one in log if "nowhere-behind" in one)

    assert answer.headers["Set-Cookie"].startswith("__Host-")
    assert answer.headers[HSTS] == "max-age=31536000"
    assert '"address":"198.51.100.7"' in line  # what the trusted proxy added; what its client claimed is not believed


def test_a_trusted_proxy_that_got_it_in_clear_is_led_to_https(behind: Stack) -> None:
    answer = behind.get("/login", Host=NAME, X_Forwarded_Proto="http")

    assert (answer.status, answer.headers["Location"]) == (308, f"https://{NAME}/login")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CLOISON_PUBLIC_URL", "ledger.example.org", "it is a scheme and a host"),
        ("CLOISON_PUBLIC_URL", "https://ledger.example.org/path", "it is a scheme and a host"),
        ("CLOISON_PUBLIC_URL", 'https://x";}', "it is a scheme and a host"),
        ("CLOISON_PUBLIC_URL", "https://a\nhttps://b", "more than one line"),
        ("CLOISON_TRUSTED_PROXIES", "10.0.0.1;", "it is a list of addresses and networks"),
        ("CLOISON_TRUSTED_PROXIES", "proxy.example.org", "it is a list of addresses and networks"),
        ("CLOISON_TLS", "1", "fullchain.pem cannot be read"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_sentence(stack: Stack, name: str, value: str, sentence: str) -> None:
    script = f"{ROOT}/proxy/start.sh:/start.sh:ro"
    done = run(
        "docker", "run", "--rm", "--user=101", "--tmpfs=/tmp:uid=101", "--volume", script, "--env", f"{name}={value}",
        "--entrypoint=sh", stack.image("proxy"), "/start.sh", check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert sentence in done.stderr
