"""A signal raises its exception in the main thread, outside deferred contexts."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from cloison.linux.signals import TERMINATED, SignalHandler

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def interrupts() -> Iterator[SignalHandler]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    made = SignalHandler()
    made.install()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_raises_its_exception_at_once(interrupts: SignalHandler) -> None:
    with pytest.raises(SystemExit, match=str(TERMINATED)):
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)

    assert interrupts.terminated


@pytest.mark.parametrize(("sent", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_deferred_signal_is_raised_when_the_context_ends(
    interrupts: SignalHandler, sent: signal.Signals, error: type[BaseException]
) -> None:
    done = []

    def work() -> None:
        with interrupts.deferred():
            with interrupts.deferred():
                os.kill(os.getpid(), sent)
                done.append("inner")
            done.append("outer")

    with pytest.raises(error):
        work()
    assert ["inner", "outer"] == done


def test_a_deferred_signal_is_raised_once(interrupts: SignalHandler) -> None:
    with pytest.raises(SystemExit), interrupts.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
    with interrupts.deferred():
        pass


def test_another_thread_defers_no_signal(interrupts: SignalHandler) -> None:
    holding, ended = threading.Event(), threading.Event()

    def hold() -> None:
        with interrupts.deferred():
            holding.set()
            ended.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(10)
    try:
        with pytest.raises(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        ended.set()
        thread.join()


def test_an_ignored_sigint_stays_ignored(interrupts: SignalHandler) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    interrupts.install()

    assert signal.SIG_IGN is signal.getsignal(signal.SIGINT)
