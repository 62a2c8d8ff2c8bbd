"""The idle program is an ELF file that the kernel loads, with a few instructions."""

from __future__ import annotations

import io
import os
import platform
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from cloison.rehearse import idle_image

NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


@pytest.mark.parametrize("name", idle_image.PROCESSORS)
def test_the_elf_entry_is_the_first_instruction(name: str) -> None:
    processor = idle_image.PROCESSORS[name]
    made = idle_image.program(processor)
    entry = int.from_bytes(made[24:32], "little") - idle_image.LOAD_ADDRESS

    assert b"\x7fELF" == made[:4]
    assert processor.machine == int.from_bytes(made[18:20], "little")
    assert processor.code == made[entry:]
    assert 200 > len(made)


@pytest.mark.parametrize("name", idle_image.PROCESSORS)
def test_the_layer_holds_only_the_program_and_has_the_same_bytes_each_time(name: str) -> None:
    processor = idle_image.PROCESSORS[name]
    with tarfile.open(fileobj=io.BytesIO(idle_image.layer(processor))) as tar:
        (entry,) = tar.getmembers()
        content = tar.extractfile(entry)

        assert (idle_image.BINARY_NAME, 0o555) == (entry.name, entry.mode)
        assert content is not None
        assert idle_image.program(processor) == content.read()
    assert idle_image.layer(processor) == idle_image.layer(processor)


def test_the_program_waits_without_cpu_time_until_it_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "idle"
    file.write_bytes(idle_image.program(idle_image.PROCESSORS[NAMES[platform.machine()]]))
    file.chmod(0o555)
    with subprocess.Popen([file]) as process:
        time.sleep(0.1)
        os.kill(process.pid, 18)  # SIGCONT interrupts pause(2), and the program calls it again
        time.sleep(0.1)
        words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()

        assert process.poll() is None
        assert "S" == words[0]
        assert 2 > int(words[11]) + int(words[12])  # ticks of the processor
        process.terminate()
        assert -15 == process.wait(5)
