"""The program of an idle container: it waits, and does nothing else.

Rule: it is a few machine instructions that stand here one by one, so that no compiler, no registry
and no program of anybody else is needed to have a container without a service in it. Adding a
processor is a row of `PROCESSORS`.

Layouts: the ELF header and its one program header, https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
"""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BINARY_NAME: Final = "idle"
"""Where the program lies in its image."""
EHDR_SIZE: Final = 64
PHDR_SIZE: Final = 56
LOAD_ADDRESS: Final = 0x400000
"""Where the program is loaded: far from zero, as linkers do."""
PAGE_SIZE: Final = 0x10000
"""The largest page of the processors below."""
ET_EXEC: Final = 2
PT_LOAD: Final = 1
PF_R_X: Final = 4 | 1


@dataclass(frozen=True, slots=True)
class Processor:
    """A kind of processor: its number in ELF, and what it does to wait for ever."""

    machine: int
    code: bytes


PROCESSORS: Final[Mapping[str, Processor]] = {
    "amd64": Processor(
        machine=62,
        code=b"".join(
            (
                b"\xb8\x22\x00\x00\x00",  # mov  eax, 34    pause()
                b"\x0f\x05",  # syscall
                b"\xeb\xf7",  # jmp  -9         a signal came: wait again
            )
        ),
    ),
    "arm64": Processor(
        machine=183,
        code=b"".join(
            instruction.to_bytes(4, "little")
            for instruction in (
                0xD2800000,  # mov  x0, #0      ppoll(NULL, 0, NULL, NULL): there is no pause() here
                0xD2800001,  # mov  x1, #0
                0xD2800002,  # mov  x2, #0
                0xD2800003,  # mov  x3, #0
                0xD2800928,  # mov  x8, #73
                0xD4000001,  # svc  #0
                0x17FFFFFA,  # b    -6          a signal came: wait again
            )
        ),
    ),
}
"""By the engine's own word for its processor."""


def program(processor: Processor) -> bytes:
    """Return the executable file."""
    start = EHDR_SIZE + PHDR_SIZE
    size = start + len(processor.code)
    identity = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        identity,
        ET_EXEC,
        processor.machine,
        1,  # version
        LOAD_ADDRESS + start,  # the first instruction
        EHDR_SIZE,  # where the program header lies
        0,  # no sections
        0,  # no flags
        EHDR_SIZE,
        PHDR_SIZE,
        1,  # program headers
        0,
        0,
        0,
    )
    program_header = struct.pack("<IIQQQQQQ", PT_LOAD, PF_R_X, 0, LOAD_ADDRESS, LOAD_ADDRESS, size, size, PAGE_SIZE)
    return header + program_header + processor.code


def layer(processor: Processor) -> bytes:
    """Return the file system of the image: a tar archive with the program alone. Same processor, same bytes."""
    archive, content = io.BytesIO(), program(processor)
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo(BINARY_NAME)
        entry.size, entry.mode = len(content), 0o555
        tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
