"""A sender that kills itself: self_killing_sender.py STATE URL NUMBER DOCUMENT, at its NUMBERth step; 0 is never.

A step is what can be seen from outside: a file or folder of the spool touched, a lock taken, a byte sent. Python tells
of each before it is done (https://docs.python.org/3/library/audit_events.html).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from cloison.ledger_client import delivery
from cloison.ledger_client import http as ledger_client_http  # noqa: F401  # its files are opened before the steps count
from cloison.ledger_client.config import Ledger
from cloison.ledger_client.spool import spool

STEPS = {
    "fcntl.flock",
    "os.mkdir",
    "os.rename",
    "os.remove",
    "socket.connect",
    "socket.getaddrinfo",
    "http.client.send",
}
state, url, number, document = sys.argv[1:]
done = 0


def step(event: str, arguments: tuple[object, ...]) -> None:
    """Count a step, and be killed before it is the one."""
    global done  # noqa: PLW0603  # an audit hook has no other memory
    if event not in STEPS and not (event == "open" and str(arguments[0]).startswith(state)):
        return
    done += 1
    if done == int(number):
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(step)
queue = spool(Path(state), url, "shop")
sender = delivery.ProofSender(Ledger(url, "clo_token", "a test"), queue, print, delivery.SendLimits(seconds=10))
sys.exit(not sender.send(queue.enqueue(document.encode())))
