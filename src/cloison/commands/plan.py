"""`cloison plan`: checks a Compose file against its policy, without an engine and without root."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from cloison.commands import options
from cloison.commands.options import OutputOptions
from cloison.engine.compose_cli import Selection
from cloison.errors import BREACHED
from cloison.model.defaults import DEFAULT_ENGINE_VERSION
from cloison.reports import PLAN_REPORTS

VERSION: Final = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?([-+~.].*)?")


def engine_version(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return the version of an engine that an option names."""
    if not VERSION.fullmatch(value):
        raise click.BadParameter(
            f'"{value}" is not a version of Docker Engine; write it like {DEFAULT_ENGINE_VERSION} or 28.0'
        )
    return value


@click.command()
@options.selection
@click.option(
    "--engine",
    default=DEFAULT_ENGINE_VERSION,
    show_default=True,
    metavar="VERSION",
    callback=engine_version,
    help="Docker Engine to predict for. A flow closed on the default is closed on later ones, gateway modes aside.",
)
@click.option(
    "--external",
    type=click.Choice(["bridge", "internal"]),
    default=None,
    help="What external networks are: bridge or internal. Without it, flows over them are undecided.",
)
@options.output_options(PLAN_REPORTS, baseline="plan")
def command(selection: Selection, engine: str, external: str | None, output_options: OutputOptions) -> int:
    """Check a Compose file against its policy.

    Predicts from the resolved file alone which services could reach each other: for a pull request,
    without engine, images or root. Names the flows that the file opens and the policy does not need,
    and proposes the smallest set of networks for the policy. A plan predicts; only `cloison prove` proves.

    Exit codes: 0 sound, 1 breach or broken, 2 usage, bad file or bad policy, 3 undecided.
    """
    from importlib.metadata import version

    from cloison.commands import baseline
    from cloison.commands import output as commands_output
    from cloison.compose import policy as compose_policy
    from cloison.compose import project as compose_project
    from cloison.engine import compose_cli
    from cloison.plan import planner
    from cloison.plan.synthetic_facts import Assumptions
    from cloison.proof.schema import Tool
    from cloison.verdict.judge import Judgement

    paths = commands_output.report_paths(output_options.formats, output_options.output, stem="plan")
    earlier = baseline.load(output_options.baseline, "plan")
    project = compose_project.project(compose_cli.resolved(selection))
    compose_policy.check_publications(project)
    with paused_collector():
        result = planner.plan(project, Assumptions(engine, external or ""), Tool("cloison", version("cloison")))
        for name, path in paths.items():
            render_options = commands_output.render_options(name, output_options, selection)
            text = PLAN_REPORTS[name](result, render_options)
            commands_output.write_report(path, text, is_document=name != commands_output.TERMINAL)
    code = BREACHED if output_options.strict and result.totals[Judgement.TOLERATED] else result.verdict.exit_code
    return earlier.exit_code(result, code, strict=output_options.strict) if earlier else code


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pause the collector of reference cycles: flows have none, and it takes a third of the time of a large plan."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
