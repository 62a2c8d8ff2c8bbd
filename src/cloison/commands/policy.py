"""`cloison policy`: shows, checks and explains the policy of a Compose file, and says which of its lines are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloison.commands import options, policy_export, policy_usage
from cloison.engine.compose_cli import Selection
from cloison.errors import USAGE_ERROR

if TYPE_CHECKING:
    from cloison.compose.project import Project


@click.group()
def command() -> None:
    """Show, check, explain or tighten the policy of a Compose file.

    Needs no engine and no root, apart from `usage` and `tighten`, which read what was learned.
    """


command.add_command(policy_usage.usage)
command.add_command(policy_usage.tighten)
command.add_command(policy_export.export)


@command.command()
@options.selection
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
def show(selection: Selection, form: str) -> int:
    """Show the policy as it is understood: groups resolved, flows by their places, tolerations with their reasons."""
    import json

    from cloison.commands import output as commands_output
    from cloison.compose import policy as compose_policy
    from cloison.compose.policy_key import POLICY_KEY
    from cloison.errors import PolicyError
    from cloison.plan import policy_check, policy_view

    project = _project(selection)
    rules = compose_policy.policy(project)
    if rules is None:
        raise PolicyError(f"{POLICY_KEY}: {policy_check.WITHOUT_POLICY}")
    if form == "json":
        text = json.dumps(policy_view.policy_document(project, rules), indent=2, ensure_ascii=False) + "\n"
    else:
        text = policy_view.policy_text(project, rules)
    commands_output.write_report(None, text, is_document=form == "json")
    return 0


@command.command()
@options.selection
@options.assumptions("", "")
def check(selection: Selection, engine: str, external: str | None) -> int:
    """Check the policy for mistakes: unknown names, undeclared ports, lines without effect.

    Exit codes: 0 no mistake, 2 a mistake; each is a line with its position.
    """
    from cloison.plan import policy_check
    from cloison.plan.synthetic_facts import Assumptions

    found = policy_check.mistakes(_project(selection), Assumptions(engine, external or ""))
    for mistake in found:
        click.echo(mistake.sentence)
    if not found:
        click.echo("No mistake was found in the policy.")
    return USAGE_ERROR if found else 0


@command.command()
@options.selection
@options.assumptions("", "")
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET[:PORT[/PROTOCOL]]")
def explain(selection: Selection, engine: str, external: str | None, source: str, target: str) -> int:
    """Explain the flows from one place to another.

    Says of each which line of the policy names it, whether the file opens it and by which rule, and what to write to
    change that. A place is a service, host or outside: `cloison policy explain web db:5432`.
    """
    from cloison.plan import explanation
    from cloison.plan.synthetic_facts import Assumptions

    project = _project(selection)
    for sentence in explanation.explained(project, Assumptions(engine, external or ""), source, target):
        click.echo(sentence)
    return 0


@command.command()
def schema() -> int:
    """Print the JSON Schema of a Compose file with a policy, for an editor with yaml-language-server."""
    from cloison.commands import output as commands_output
    from cloison.compose.policy_key import POLICY_KEY
    from cloison.reports import json_schema

    commands_output.write_report(None, json_schema.render(POLICY_KEY), is_document=True)
    return 0


def _project(selection: Selection) -> Project:
    from cloison.compose import project as compose_project
    from cloison.engine import compose_cli

    return compose_project.project(compose_cli.resolved(selection))
