"""Chooses the policy that counts: the one in the Compose files, or that of a file of its own.

Input: a resolved document, the options that select it, and a `PolicySource`. Output: the document with the policy.
Rule: a policy that Compose drops is an error, because a gate without it would be open. A file of its own replaces the
policy of the Compose files, so a change under test can neither loosen nor break it.
Source: Compose drops top-level keys with `x-` of included files, and those of services (measured with Compose 2.40.3).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.compose.policy_key import MISPLACED, POLICY_KEY, misplaced_policies, without_policy
from cloison.engine import compose_cli
from cloison.engine.compose_cli import Selection
from cloison.errors import PolicyError, UnknownServiceError, printable
from cloison.model.text import listed
from cloison.workflow import source_texts
from cloison.workflow.request import PolicySource

MOST_NAMES: Final = 5
"""Services that a warning names."""


def with_policy(document: Mapping[str, Any], selection: Selection, source: PolicySource) -> Mapping[str, Any]:
    """Return the document with the policy that counts.

    Raises PolicyError when there is none and one is required, when a file has none, or when Compose drops one.
    """
    if source.file or source.is_required:
        _tell_left_out(document, selection)
    if source.file:
        return _replaced(document, source.file, selection)
    for file in source_texts.source_texts(selection):
        _check_dropped(file, has_policy=document.get(POLICY_KEY) is not None)
    if source.is_required and document.get(POLICY_KEY) is None:
        raise PolicyError(
            f"the Compose file has no policy ({POLICY_KEY}), and --require-policy needs one; `cloison init` drafts it"
        )
    _check_services(document, selection)
    return document


def _check_services(document: Mapping[str, Any], selection: Selection) -> None:
    """Raise PolicyError for a policy that names a service whose profile is not active: such a line has no flows."""
    if document.get(POLICY_KEY) is None:
        return
    try:
        policy.policy(compose_project.project(document))
    except UnknownServiceError as error:
        if names := compose_cli.profiles(selection).get(error.service):
            raise PolicyError(
                f'{error.where}: service "{error.service}" has a profile that is not active; add '
                f"{' or '.join(f'--profile {name}' for name in sorted(names))}, or --profile '*' for every service"
            ) from error
        raise


def _check_dropped(file: source_texts.SourceText, *, has_policy: bool) -> None:
    """Raise PolicyError for a file with a policy that Compose drops; say so of a file that is not read here."""
    if file.content is None:
        if not has_policy:
            warn(
                f"{file.name}, which {file.included_by} includes, is not read here; Compose drops the policy "
                f"({POLICY_KEY}) of an included file, if it has one"
            )
        return
    if file.included_by and POLICY_KEY in file.content:
        raise PolicyError(
            f"{file.name}: Compose drops the policy ({POLICY_KEY}) of an included file; move it into "
            f"{file.included_by}, or name a file with --policy"
        )
    for place in misplaced_policies(file.content):
        raise PolicyError(f"{file.name}: {place}: {MISPLACED}")


def _tell_left_out(document: Mapping[str, Any], selection: Selection) -> None:
    """Name the services that a gate does not look at, because a change could hide one behind a profile."""
    services = document.get("services") or {}
    if hidden := sorted(compose_cli.profiles(selection).keys() - services.keys()):
        warn(
            f"not looked at, because no profile of theirs is active: {listed(hidden, MOST_NAMES)}; "
            "--profile '*' looks at every service"
        )


@cache
def warn(sentence: str) -> None:
    """Print a warning on stderr, once a process: a verb may choose the policy several times."""
    print(f"cloison: warning: {printable(sentence)}", file=sys.stderr)  # noqa: T201  # a message for the user


def _replaced(document: Mapping[str, Any], file: Path, selection: Selection) -> Mapping[str, Any]:
    content = source_texts.yaml_of(source_texts.text_of(file), str(file))
    if isinstance(content, Mapping) and POLICY_KEY not in content and content.keys() & policy.POLICY_KEYS:
        content = {POLICY_KEY: content}
    if not isinstance(content, Mapping) or content.get(POLICY_KEY) is None:
        raise PolicyError(
            f"{file}: no policy is in it; its top level is {POLICY_KEY}, or allow, enforce, groups and tolerate"
        )
    changed = {**without_policy(document), POLICY_KEY: content[POLICY_KEY]}
    try:
        _check_services(changed, selection)
        policy.check_publications(compose_project.project(changed))
    except PolicyError as error:
        raise PolicyError(f"{file}: {error}") from error
    return changed
