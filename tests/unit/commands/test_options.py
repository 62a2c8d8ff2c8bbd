"""Options that several verbs share: what a name on the command line sets."""

from __future__ import annotations

import click
import pytest

from cloison.cli import cloison
from cloison.commands import options
from cloison.commands.options import ProofOptions
from cloison.workflow.request import DEFAULT_TIMEOUT


@click.command()
@options.proof_options
def proof_command(proof_options: ProofOptions) -> float:
    """Return the time-out that the command line sets."""
    return proof_options.timeout


@pytest.mark.parametrize("name", ["--timeout", "--patience"])
def test_both_names_of_the_time_out_set_it(name: str) -> None:
    assert proof_command.main([name, "2.5"], standalone_mode=False) == 2.5


def test_the_time_out_has_a_default() -> None:
    assert proof_command.main([], standalone_mode=False) == DEFAULT_TIMEOUT


@pytest.mark.parametrize("seconds", ["0", "61", "soon"])
def test_an_impossible_time_out_is_an_error_that_names_the_option(seconds: str) -> None:
    with pytest.raises(click.BadParameter) as raised:
        proof_command.main(["--timeout", seconds], standalone_mode=False)

    assert "--timeout" in raised.value.format_message()


@pytest.mark.parametrize("verb", ["prove", "rehearse", "up"])
def test_each_verb_that_probes_has_both_names(verb: str) -> None:
    command = cloison.get_command(cloison.make_context("cloison", ["--help"], resilient_parsing=True), verb)
    assert command is not None

    assert {"--timeout", "--patience"} <= {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("arguments", [["-t", "5"], ["--", "--timeout", "5"]], ids=" ".join)
def test_the_time_out_of_compose_up_still_goes_to_compose(arguments: list[str]) -> None:
    command = cloison.get_command(cloison.make_context("cloison", ["--help"], resilient_parsing=True), "up")
    assert command is not None
    context = command.make_context("up", [*arguments])

    assert context.params["arguments"] == tuple(one for one in arguments if one != "--")
    assert context.params["timeout"] == DEFAULT_TIMEOUT
