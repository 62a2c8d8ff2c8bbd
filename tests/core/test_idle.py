"""The idle program is a file that the kernel loads, and nothing but its few instructions."""

from __future__ import annotations

import io
import os
import platform
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from cloison import idle

NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


@pytest.mark.parametrize("name", idle.PROCESSORS)
def test_the_header_points_at_the_first_instruction(name: str) -> None:
    processor = idle.PROCESSORS[name]
    made = idle.program(processor)
    entry = int.from_bytes(made[24:32], "little") - idle.BASE

    assert b"\x7fELF" == made[:4]
    assert processor.machine == int.from_bytes(made[18:20], "little")
    assert processor.code == made[entry:]
    assert 200 > len(made)


@pytest.mark.parametrize("name", idle.PROCESSORS)
def test_the_layer_holds_the_program_alone_and_is_always_the_same(name: str) -> None:
    processor = idle.PROCESSORS[name]
    with tarfile.open(fileobj=io.BytesIO(idle.layer(processor))) as tar:
        (entry,) = tar.getmembers()
        content = tar.extractfile(entry)

        assert (idle.PATH, 0o555) == (entry.name, entry.mode)
        assert content is not None
        assert idle.program(processor) == content.read()
    assert idle.layer(processor) == idle.layer(processor)


def test_it_waits_without_work_until_it_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "idle"
    file.write_bytes(idle.program(idle.PROCESSORS[NAMES[platform.machine()]]))
    file.chmod(0o555)
    with subprocess.Popen([file]) as process:
        time.sleep(0.1)
        os.kill(process.pid, 18)  # SIGCONT wakes pause() and is not the end
        time.sleep(0.1)
        words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()

        assert process.poll() is None
        assert "S" == words[0]
        assert 2 > int(words[11]) + int(words[12])  # ticks of the processor
        process.terminate()
        assert -15 == process.wait(5)
