"""A ledger with a certificate of one's own authority: its clients name the authority, and no other one is believed."""

from __future__ import annotations

import gzip
import hashlib
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.ledger_client import fake_ledger
from tests.unit.ledger_client.fake_ledger import TOKEN_VARIABLE as TOKEN

from cloison.errors import NotProven, UsageError
from cloison.ledger_client import http
from cloison.ledger_client.config import CA_VARIABLE, TOKEN_VARIABLE, ledger
from cloison.ledger_client.fetch import fetch_proof
from cloison.ledger_client.http import DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

PROOF = b"{}"
DIGEST = hashlib.sha256(PROOF).hexdigest()


def certificate(folder: Path, name: str) -> Path:
    """Make a certificate of this machine that is its own authority, and return its file; the key is beside it."""
    made = folder / f"{name}.pem"
    words = ["-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-out", str(made)]
    key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        str(made.with_suffix(".key")),
    ]
    subprocess.run(["openssl", "req", "-x509", *key, *words], check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"), "own")


@pytest.fixture
def address(own: Path) -> Iterator[str]:
    """Have a ledger with that certificate, and return its address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own, own.with_suffix(".key"))
    with fake_ledger.running() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server.url.replace("http:", "https:")


def test_the_authority_that_is_named_is_believed_and_no_other(address: str, own: Path, tmp_path: Path) -> None:
    other = certificate(tmp_path, "other")
    to = [ledger(address, None, {TOKEN_VARIABLE: TOKEN}, ca_file=file) for file in (own, other, None)]
    results = [http.post_proof(one, DIGEST, packed(), 10) for one in to]

    assert [DeliveryStatus.ACCEPTED, DeliveryStatus.RETRY, DeliveryStatus.RETRY] == [one.status for one in results]
    assert "certificate" in results[1].why


def packed() -> bytes:
    return gzip.compress(PROOF)


def test_a_ledger_is_asked_for_a_proof_with_the_option_or_the_variable(address: str, own: Path) -> None:
    proof = f"{address}/api/v1/proofs/{DIGEST}"
    with pytest.raises(NotProven, match="certificate"):
        fetch_proof(proof, None, {TOKEN_VARIABLE: TOKEN})
    for environment, option in (({CA_VARIABLE: str(own)}, None), ({}, own)):
        with pytest.raises(UsageError, match="the ledger answered 501"):  # it is asked; this one takes proofs alone
            fetch_proof(proof, None, {TOKEN_VARIABLE: TOKEN, **environment}, option)
