"""make docs on a machine where its tool cannot be installed, and again where nothing has changed."""

from __future__ import annotations

from tests.e2e.setup.conftest import FakeMachine

NO_PACKAGES = 'case "$*" in *requirements/docs.txt*) exit 1 ;; esac'


def test_without_its_packages_the_site_is_not_built_and_nothing_incomplete_stays(fake_machine: FakeMachine) -> None:
    fake_machine.python(pip=f"{NO_PACKAGES}; exit 0")

    result = fake_machine.run("make", "docs")

    assert result.code == 2
    assert "The packages that build the site could not be installed. See the lines above" in result.said
    assert "then run make docs again" in result.said
    assert not (fake_machine.clone / ".cache/docs-venv").exists()
    assert (fake_machine.clone / ".venv/.made").exists()
