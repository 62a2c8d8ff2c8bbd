"""The loop with which docs/tutorial.md grades a class, on four files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.unit.docs.page_examples import FILE, text


def test_the_loop_grades_by_the_teachers_policy_and_names_what_is_wrong(tmp_path: Path) -> None:
    bodies = dict(FILE.findall(text("tutorial.md")))
    (loop,) = re.findall(r"```sh grading\n(.*?)```", text("tutorial.md"), re.DOTALL)
    (tmp_path / "grading.yaml").write_text(bodies["grading.yaml"])
    (tmp_path / "students").mkdir()
    own_policy = bodies["lab.yaml"] + 'x-cloison:\n  tolerate:\n    - {flow: "* -> *", why: everything is fine}\n'
    apart = bodies["lab.yaml"].replace("backend: {}", "backend: {internal: true}\n  data: {internal: true}")
    apart = apart.replace("networks: [backend]", "networks: [data]", 1).replace("[backend]", "[data, backend]", 1)
    for name, body in {"ann": own_policy, "bob": apart, "eve": "services: {db: 3"}.items():
        (tmp_path / "students" / f"{name}.yaml").write_text(body)

    done = subprocess.run(
        ["bash", "-euc", loop],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ("", 0) == (done.stderr, done.returncode)
    ann, bob, eve = done.stdout.splitlines()
    assert re.fullmatch(r"ann\t5\t[1-9]\d* flows are wrong", ann)
    assert bob == "bob\t10\tsound"
    assert eve.startswith("eve\t0\tcloison: the Compose file cannot be resolved: ")
