"""Compose runs in the thread that a signal interrupts, and modules are imported in another meanwhile."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping

import pytest

from cloison.engine import compose_cli
from cloison.engine.compose_cli import Selection
from cloison.errors import FileError
from cloison.workflow import imports

MODULE = "wsgiref.headers"
"""A module that nothing here uses."""


def test_compose_runs_in_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def resolved(_selection: Selection) -> Mapping[str, object]:
        threads.append(threading.current_thread())
        return {"name": "x"}

    monkeypatch.setattr(compose_cli, "resolved", resolved)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)

    assert {"name": "x"} == imports.resolved(Selection(), MODULE, "no.such.module")
    assert [threading.main_thread()] == threads
    assert MODULE in sys.modules


def test_an_error_of_compose_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(_selection: Selection) -> Mapping[str, object]:
        raise FileError("no file")

    monkeypatch.setattr(compose_cli, "resolved", resolved)

    with pytest.raises(FileError, match="no file"):
        imports.resolved(Selection(), MODULE)
