"""The types of the resolved document."""

from __future__ import annotations

import importlib.util
import sys
from types import FrameType, ModuleType
from typing import Any

from cloison.compose import schema

BUILDING = "get_class_annotations"
"""The function of msgspec's that runs when it builds what it needs to know of a type."""
PARTS = {
    "DocumentForm": {"name": "shop", "services": {}},
    "ServiceForm": {"networks": {"back": {}}, "ports": [{"target": 80}], "deploy": {}, "depends_on": {"db": {}}},
    "NetworkForm": {"ipam": {"config": [{"subnet": "10.0.0.0/24"}]}},
}


def test_no_type_is_built_while_documents_are_read() -> None:
    """Two threads that build the same type crash the process (msgspec 0.22)."""
    called: list[str] = []

    def record(frame: FrameType, event: str, _: Any) -> None:
        called.append(frame.f_code.co_name if event == "call" else "")

    sys.setprofile(record)
    try:
        fresh = fresh_copy_of_schema()
        built = called.count(BUILDING)
        for form, body in PARTS.items():
            fresh.read(body, getattr(fresh, form), "here")
    finally:
        sys.setprofile(None)

    assert built > 0
    assert built == called.count(BUILDING)


def fresh_copy_of_schema() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fresh_copy_of_schema", schema.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module
