"""A real OpenID provider on this machine, and a user's browser at it."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from flask import Flask
from tests.ledger.mariadb.accounts.conftest import Browser
from werkzeug.test import TestResponse

from ledger.oidc_settings import DEFAULTS, OidcSettings

SOURCE = Path(__file__).parent / "oidc_provider"
INSTALLED = Path(__file__).parents[4] / ".cache" / "oidc-provider"
CALLBACK = "http://localhost/login/oidc/callback"
SECRET = "secret-of-the-tests"


@dataclass(frozen=True)
class OpenIdProvider:
    """A provider that runs, and the file of its client's secret."""

    issuer: str
    secret_file: Path

    def settings(self, **changed: Any) -> OidcSettings:
        """Return the settings of a ledger with this provider."""
        values = {
            **DEFAULTS,
            "LEDGER_OIDC_ISSUER": self.issuer,
            "LEDGER_OIDC_CLIENT_SECRET_FILE": str(self.secret_file),
        }
        made = OidcSettings.from_values(values)
        assert made is not None
        return replace(made, **changed)


def use(app: Flask, settings: OidcSettings) -> None:
    """Let a ledger have a provider from now on."""
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], oidc=settings)
    app.extensions.pop("oidc_provider", None)


OLDEST_NODE: Final = 20


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def install() -> None:
    """Install the provider by its lock file, once for each version of it."""
    lock = SOURCE / "package-lock.json"
    installed = INSTALLED / "node_modules" / ".of-lock"
    if installed.exists() and installed.read_bytes() == lock.read_bytes():
        return
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / name, INSTALLED)
    npm = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    subprocess.run(npm, cwd=INSTALLED, check=True, capture_output=True, timeout=240)
    shutil.copy(lock, installed)


def certificate(folder: Path) -> tuple[str, str]:
    """Make a key and a certificate of 127.0.0.1 that is its own CA, and return their files."""
    key, made = folder / "key.pem", folder / "certificate.pem"
    subject = ("-subj", "/CN=provider", "-addext", "subjectAltName=IP:127.0.0.1")
    request = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject)
    subprocess.run((*request, "-keyout", str(key), "-out", str(made)), check=True, capture_output=True, timeout=60)
    return str(key), str(made)


@contextmanager
def running(folder: Path, *tls: str) -> Iterator[OpenIdProvider]:
    """Have a provider running, with the files of `certificate` over HTTPS; it ends with the pipe to it."""
    version = subprocess.run(("node", "--version"), check=True, capture_output=True, text=True, timeout=60).stdout
    if int(version.lstrip("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"the OpenID provider needs Node.js {OLDEST_NODE}, and this is {version.strip()}")
    install()
    shutil.copy(SOURCE / "provider.mjs", INSTALLED)
    secret_file = folder / "client_secret"
    secret_file.write_text(SECRET + "\n", encoding="utf-8")
    port = free_port()
    command = ("node", "provider.mjs", str(port), CALLBACK, "127.0.0.1", *tls)
    with subprocess.Popen(
        command, cwd=INSTALLED, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            while process.stdout.readline() not in {"ready\n", ""}:
                pass
            yield OpenIdProvider(f"{'https' if tls else 'http'}://127.0.0.1:{port}", secret_file)
        finally:
            process.stdin.close()
            process.wait(10)


def answer_of(address: str, name: str, ca_file: str = "") -> str:
    """Log in at the provider in a new browser, and return the path that it leads back to, with its answer."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = ca_file or True
        answer = session.get(address, timeout=10)
        for _ in range(4):
            form = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            assert form, answer.text
            fields = {
                **dict(re.findall(r'name="(prompt)" value="([^"]+)"', answer.text)),
                "login": name,
                "password": "x",
            }
            answer = session.post(urljoin(answer.url, form[1]), data=fields, timeout=10, allow_redirects=False)
            while answer.is_redirect:
                led = urljoin(answer.url, answer.headers["Location"])
                if led.startswith(CALLBACK):
                    parts = urlsplit(led)
                    return f"{parts.path}?{parts.query}"
                answer = session.get(led, timeout=10, allow_redirects=False)
    raise AssertionError(answer.text)


def log_in(browser: Browser, name: str, path: str = "/login/oidc") -> TestResponse:
    """Log in at the provider, and return what the ledger answers."""
    return browser.get(answer_of(browser.get(path).headers["Location"], name))
