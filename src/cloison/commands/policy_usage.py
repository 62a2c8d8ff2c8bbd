"""`cloison policy usage` and `cloison policy tighten`: which lines of the policy are used, and the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from cloison.commands import duration, options
from cloison.engine.compose_cli import Selection

if TYPE_CHECKING:
    from cloison.compose.policy import Policy
    from cloison.compose.project import Project
    from cloison.usage.line_use import LineUse
    from cloison.usage.record import Usage

LONGEST: Final = 3650 * 24 * 3600
DEFAULT: Final = "30d"


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    return duration.seconds(value, LONGEST, "write it like 12h or 30d")


unused_for = click.option(
    "--unused-for",
    callback=_seconds,
    default=DEFAULT,
    show_default=True,
    metavar="DURATION",
    help="How long a line has to be watched without a use until it counts as unused.",
)


@click.command()
@options.selection
@unused_for
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
def usage(selection: Selection, unused_for: int, form: str) -> int:
    """Show which lines of the policy are used: first and last use, connections, bytes.

    `cloison watch --learn` records the connections. As root on the engine's machine, those of now are added first.
    """
    import json

    from cloison.commands import output as commands_output
    from cloison.usage import text as usage_text

    project, rules = project_with_policy(selection)
    record, found = _line_uses(project, rules, unused_for)
    if form == "json":
        document = usage_text.usage_document(record, found, unused_for)
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    else:
        text = usage_text.usage_text(record, found, unused_for)
    commands_output.write_report(None, text, is_document=form == "json")
    return 0


@click.command()
@options.selection
@unused_for
@click.option("--write", is_flag=True, help="Change the Compose file.")
@options.assumptions("", "")
def tighten(selection: Selection, unused_for: int, *, write: bool, engine: str, external: str | None) -> int:
    """Print the Compose file's diff without the lines of the policy that nothing used.

    Only lines that were watched for the whole time without a use are removed. The policy without them is judged like a
    plan before it is written.
    """
    from cloison.commands import compose_file
    from cloison.commands import output as commands_output
    from cloison.plan.synthetic_facts import Assumptions
    from cloison.usage import tightened
    from cloison.usage.line_use import State

    path = compose_file.first_file(selection)
    project, rules = project_with_policy(selection)
    record, found = _line_uses(project, rules, unused_for)
    unused = [one.line.where for one in found if one.state is State.UNUSED]
    if not unused:
        click.echo(tightened.nothing(record, unused_for), err=True)
        return 0
    text = compose_file.text_of(path)
    result = tightened.tightened(project, text, str(path), unused, Assumptions(engine, external or ""))
    if write:
        compose_file.replace_text(path, result.text)
    commands_output.write_report(None, result.diff, is_document=True)
    for sentence in result.sentences:
        click.echo(sentence, err=True)
    if write:
        click.echo(f"{path} was changed.", err=True)
    return 0


def project_with_policy(selection: Selection) -> tuple[Project, Policy]:
    """Return the project of a selection and its policy.

    Raises PolicyError for one without a policy.
    """
    from cloison.compose import policy as compose_policy
    from cloison.compose import project as compose_project
    from cloison.compose.policy_key import POLICY_KEY
    from cloison.engine import compose_cli
    from cloison.errors import PolicyError
    from cloison.plan.policy_check import WITHOUT_POLICY

    project = compose_project.project(compose_cli.resolved(selection))
    rules = compose_policy.policy(project)
    if rules is None:
        raise PolicyError(f"{POLICY_KEY}: {WITHOUT_POLICY}")
    return project, rules


def _line_uses(project: Project, rules: Policy, unused_for: int) -> tuple[Usage, list[LineUse]]:
    from cloison.usage.line_use import line_uses
    from cloison.workflow import learn_usage

    record, note = learn_usage.learned_now(project)
    if note:
        click.echo(note, err=True)
    return record, line_uses(project, rules, record, unused_for)
