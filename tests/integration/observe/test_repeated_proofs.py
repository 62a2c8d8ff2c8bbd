"""Repeated proofs leave no trace in a service, whether it listens on TCP or on UDP."""

from __future__ import annotations

import os
import socket
from collections import Counter
from pathlib import Path

import pytest
from tests.integration.observe.leftovers import soon
from tests.integration.observe.soak_proofs import run_proofs, running, traces
from tests.integration.prober_faults import address

pytestmark = pytest.mark.engine
PROOFS = 60
"""Enough for a leak of one descriptor or of 0.2 MB a proof to show. `setup/soak.sh proofs` takes 10 000."""


def test_repeated_proofs_leave_no_trace(tmp_path: Path) -> None:
    with running(tmp_path / f"trace{os.getpid()}") as lab:
        done = run_proofs(lab, PROOFS, jobs=2)

        assert (Counter(proven=PROOFS), []) == (done.words, done.differences)
        # The counterpart: what does come to the service shows in all that was compared.
        app, before = lab.container("app"), traces(lab)
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", (address(app), 5300))
        assert soon(lambda: traces(lab)[app] != before[app])
        assert traces(lab)[f"{app} Udp InDatagrams"] != before[f"{app} Udp InDatagrams"]
