"""The hook in docker's config.json: added once, removed without a trace."""

from __future__ import annotations

from typing import Any

import pytest

from cloison.errors import UsageError
from cloison.plugin.hook_setting import with_hook, without_hook

SET = {
    "plugins": {"cloison": {"hooks": "compose up", "enabled": "features.hooks"}},
    "features": {"hooks": "true"},
}
OTHERS: list[dict[str, Any]] = [
    {},
    {"auths": {"a": {}}, "credsStore": "pass"},
    {"plugins": {"debug": {"hooks": "exec"}}, "psFormat": "table"},
    {"plugins": {"cloison": {"hooks": "compose start"}}, "psFormat": "table"},
    {"plugins": {"cloison": {"error-hooks": "build"}}},
    {"features": {"buildkit": "true"}},
    {"features": {"hooks": "true"}},
    {"features": {"hooks": "1"}, "plugins": {"debug": {"hooks": "exec"}}},
]


def test_the_hook_is_a_setting_of_the_plugin() -> None:
    assert SET == with_hook({})


@pytest.mark.parametrize("document", OTHERS, ids=str)
def test_other_settings_stay(document: dict[str, Any]) -> None:
    changed = with_hook(document)

    assert "compose up" in changed["plugins"]["cloison"]["hooks"].split(",")
    assert document.keys() <= changed.keys()
    assert changed == with_hook(changed)
    assert document == without_hook(changed)
    assert [*document] == [*without_hook(changed)]
    assert document == without_hook(document)


@pytest.mark.parametrize("value", ["false", "0", "nonsense", True])
def test_hooks_that_are_switched_off_are_named(value: object) -> None:
    with pytest.raises(UsageError, match=r'^features\.hooks is not "true", so docker asks no plugin'):
        with_hook({"features": {"hooks": value}})


def test_the_order_of_the_settings_stays() -> None:
    document = {"b": 1, "plugins": {"z": {}, "cloison": {"hooks": "a,compose up,c"}, "y": {}}, "a": 2}
    left = without_hook(document)

    assert ["b", "plugins", "a"] == [*left]
    assert ["z", "cloison", "y"] == [*left["plugins"]]
    assert "a,c" == left["plugins"]["cloison"]["hooks"]


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"plugins": ["cloison"]}, "plugins is not an object"),
        ({"plugins": {"cloison": "compose up"}}, "plugins.cloison is not an object"),
        ({"features": ["hooks"], "plugins": {"cloison": {"enabled": "features.hooks"}}}, "features is not an object"),
        ({"plugins": {"cloison": {"hooks": ["compose up"]}}}, "plugins.cloison.hooks is not a string"),
    ],
)
def test_a_form_that_docker_does_not_read_is_named(document: dict[str, Any], named: str) -> None:
    for change in (with_hook, without_hook):
        with pytest.raises(UsageError, match=f"^{named}"):
            change(document)
