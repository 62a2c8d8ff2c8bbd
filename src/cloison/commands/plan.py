"""`cloison plan`: checks a Compose file against its policy, without an engine and without root."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from cloison.commands import options
from cloison.commands.options import OutputOptions
from cloison.engine import compose_cli
from cloison.engine.compose_cli import Selection
from cloison.model.defaults import DEFAULT_ENGINE_VERSION
from cloison.reports import PLAN_REPORTS
from cloison.workflow.collector import paused_collector
from cloison.workflow.request import IN_THE_COMPOSE_FILES, PolicySource

if TYPE_CHECKING:
    from cloison.commands.baseline import Baseline
    from cloison.plan.schema import Plan

MODULES: Final = ("cloison.plan.planner", "importlib.metadata", "cloison.commands.output")
"""Modules that a plan needs; importing them takes longer than Compose takes to resolve a file."""
TERMINAL_MODULES: Final = ("cloison.reports.plan_terminal",)
"""Those of its report in the terminal."""


@click.command()
@options.selection
@options.assumptions(
    ". A flow closed on the default is closed on later ones, gateway modes aside",
    ". Without it, flows over them are undecided",
)
@options.policy_source
@options.output_options(PLAN_REPORTS, baseline="plan")
def command(
    selection: Selection, engine: str, external: str | None, policy_source: PolicySource, output_options: OutputOptions
) -> int:
    """Check a Compose file against its policy.

    Predicts from the resolved file alone which services could reach each other: for a pull request,
    without engine, images or root. Names the flows that the file opens and the policy does not need,
    and proposes the smallest set of networks for the policy. A plan predicts; only `cloison prove` proves.

    Exit codes: 0 sound, 1 breach or broken, 2 usage, bad file or bad policy, 3 undecided.
    """
    from cloison.commands.progress import status
    from cloison.commands.report_paths import TERMINAL, report_paths

    paths = report_paths(output_options.formats, output_options.output, stem="plan")
    earlier = _baseline(output_options)
    reports = TERMINAL_MODULES if TERMINAL in paths and not output_options.quiet else ()
    with paused_collector(), compose_cli.started_ahead(selection):
        with status(quiet=output_options.quiet) as progress:
            result = planned(selection, engine, external or "", policy_source, progress, modules=MODULES + reports)
        from cloison.commands import output as commands_output

        commands_output.write_documents(result, PLAN_REPORTS, paths, output_options, selection)
    code = commands_output.exit_code(result, output_options)
    return earlier.exit_code(result, code, output_options) if earlier else code


def _baseline(output_options: OutputOptions) -> Baseline | None:
    if output_options.baseline is None:
        return None
    from cloison.commands import baseline

    return baseline.load(output_options, "plan")


def planned(  # noqa: PLR0913  # all but one are optional
    selection: Selection,
    engine: str = DEFAULT_ENGINE_VERSION,
    external: str = "",
    policy_source: PolicySource = IN_THE_COMPOSE_FILES,
    progress: Callable[[str], None] = lambda _: None,
    *,
    modules: tuple[str, ...] = MODULES,
) -> Plan:
    """Return the plan of a project; `modules` are imported while Compose resolves the file.

    Raises a CloisonError when the project cannot be resolved or its policy is not valid: see `errors`.
    """
    from cloison.workflow import imports

    progress("resolving the Compose file")
    document = imports.resolved(selection, *modules)
    from importlib.metadata import version

    from cloison.compose import policy as compose_policy
    from cloison.compose import project as compose_project
    from cloison.plan import planner
    from cloison.plan.synthetic_facts import Assumptions
    from cloison.proof.schema import Tool
    from cloison.workflow.policy_source import with_policy

    project = compose_project.project(with_policy(document, selection, policy_source))
    progress(f"predicting the flows of {len(project.services)} services")
    compose_policy.check_publications(project)
    return planner.plan(project, Assumptions(engine, external), Tool("cloison", version("cloison")))
