"""A program in a container that tries all the time to reach what the policy closes, and counts what it reaches."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

PROGRAM = """
import selectors, socket, sys, threading, time
addresses, port = sys.argv[2:], int(sys.argv[1])
tried, reached = 0, []
print("begun", flush=True)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
while not ended.is_set():
    pool = selectors.DefaultSelector()
    waiting = set()
    for address in addresses:
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        made.setblocking(False)
        tried += 1
        if made.connect_ex((address, port)) in (0, 115):
            pool.register(made, selectors.EVENT_WRITE, address)
            waiting.add(made)
        else:
            made.close()
    ends = time.monotonic() + 0.03
    while waiting and (left := ends - time.monotonic()) > 0:
        for key, _ in pool.select(left):
            error = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error in (0, 111):  # an RST comes from the container, too: the SYN has arrived
                reached.append(key.data)
            pool.unregister(key.fileobj); waiting.discard(key.fileobj); key.fileobj.close()
    for made in waiting:
        made.close()
print(tried, *reached, flush=True)
"""


@dataclass
class Probes:
    """What came of them: the attempts, and the addresses that were reached."""

    tried: int = 0
    reached: list[str] = field(default_factory=list)


@contextmanager
def forbidden_probes(container: str, port: int, addresses: Sequence[str]) -> Iterator[Probes]:
    """Probe from a container, about thirty times a second and address; the result is complete after the context."""
    argv = ["docker", "exec", "--interactive", container, "python", "-c", PROGRAM, str(port), *addresses]
    found = Probes()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        assert program.stdout.readline() == "begun\n"
        try:
            yield found
        finally:
            out, _ = program.communicate("", timeout=30)
        tried, *found.reached = out.split()
        found.tried = int(tried)
