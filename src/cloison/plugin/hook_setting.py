"""The settings of docker's config.json that let the plugin speak after `docker compose up`.

Input and output: the document of config.json. Rule: every other setting stays as it is, and so does its order; what was
added is removed again, and nothing else.

    {"plugins": {"cloison": {"hooks": "compose up", "enabled": "features.hooks"}}, "features": {"hooks": "true"}}

docker asks a plugin after the commands that `hooks` lists, separated by commas, and only if `features.hooks` is true.
Where it was not set, `enabled` remembers that this module did, so that its removal is exact.
Source: `pluginMatch` in cli-plugins/manager/hooks.go and `HooksEnabled` in cli/command/cli.go of
https://github.com/docker/cli.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cloison.errors import UsageError
from cloison.plugin.protocol import NAME

COMMAND: Final = "compose up"
PLUGINS: Final = "plugins"
FEATURES: Final = "features"
HOOKS: Final = "hooks"
ENABLED: Final = "enabled"
FEATURE: Final = f"{FEATURES}.{HOOKS}"
TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""The strings that are true for docker: https://pkg.go.dev/strconv#ParseBool"""


def with_hook(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with the hook after `docker compose up`.

    Raises UsageError if a setting does not have the form that docker reads, or if hooks are switched off in it.
    """
    plugins = _object(document, PLUGINS)
    own = _object(plugins, NAME, PLUGINS)
    features = _object(document, FEATURES)
    if HOOKS in features and features[HOOKS] not in TRUE:
        raise UsageError(
            f'{FEATURE} is not "true", so docker asks no plugin after a command; change it, or leave --hook'
        )
    commands = _commands(own)
    if COMMAND not in commands:
        commands.append(COMMAND)
    own = {**own, HOOKS: ",".join(commands)}
    if HOOKS in features:
        return {**document, PLUGINS: {**plugins, NAME: own}}
    own[ENABLED] = FEATURE
    return {**document, PLUGINS: {**plugins, NAME: own}, FEATURES: {**features, HOOKS: "true"}}


def without_hook(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document without the hook, and without the objects that are empty then.

    Raises UsageError if a setting does not have the form that docker reads.
    """
    plugins = _object(document, PLUGINS)
    own = _object(plugins, NAME, PLUGINS)
    commands = [command for command in _commands(own) if command != COMMAND]
    left = _replaced(_replaced(own, HOOKS, ",".join(commands)), ENABLED, "")
    if left == own:
        return dict(document)
    changed = _replaced(document, PLUGINS, _replaced(plugins, NAME, left))
    if own.get(ENABLED) != FEATURE:
        return changed
    return _replaced(changed, FEATURES, _replaced(_object(document, FEATURES), HOOKS, ""))


def _replaced(document: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a copy with another value at its old place, or without the key when the value is empty."""
    return {name: value if name == key else old for name, old in document.items() if name != key or value}


def _commands(own: Mapping[str, Any]) -> list[str]:
    text = own.get(HOOKS, "")
    if not isinstance(text, str):
        raise UsageError(f"{PLUGINS}.{NAME}.{HOOKS} is not a string, as docker expects it")
    return [word for word in text.split(",") if word]


def _object(document: Mapping[str, Any], key: str, parent: str = "") -> Mapping[str, Any]:
    found = document.get(key) or {}
    if not isinstance(found, dict):
        raise UsageError(f"{f'{parent}.' * bool(parent)}{key} is not an object, as docker expects it")
    return found
