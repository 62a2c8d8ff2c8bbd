"""Builds the image of idle containers: an ELF executable of a few instructions that calls pause(2) forever.

Input: the processor. Output: the executable, and a tar archive with it as the only layer.
Rule: the instructions are written out here, so no compiler and no registry is needed. A further processor is a row of
`PROCESSORS`.
The file is an ELF header, one program header, and the code, all loaded by one PT_LOAD segment:

    typedef struct {                                    typedef struct {
        unsigned char e_ident[16];                          Elf64_Word  p_type;     /* PT_LOAD */
        Elf64_Half    e_type;       /* ET_EXEC */           Elf64_Word  p_flags;    /* PF_R | PF_X */
        Elf64_Half    e_machine;    /* EM_* */              Elf64_Off   p_offset;
        Elf64_Word    e_version;                            Elf64_Addr  p_vaddr;
        Elf64_Addr    e_entry;                              Elf64_Addr  p_paddr;
        Elf64_Off     e_phoff, e_shoff;                     Elf64_Xword p_filesz;
        Elf64_Word    e_flags;                              Elf64_Xword p_memsz;
        Elf64_Half    e_ehsize, e_phentsize, e_phnum;       Elf64_Xword p_align;
        Elf64_Half    e_shentsize, e_shnum, e_shstrndx; } Elf64_Phdr;
    } Elf64_Ehdr;

Source: elf(5), https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html.
"""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BINARY_NAME: Final = "idle"
"""The path of the program in its image."""
EHDR_SIZE: Final = 64
"""sizeof(Elf64_Ehdr)."""
PHDR_SIZE: Final = 56
"""sizeof(Elf64_Phdr)."""
LOAD_ADDRESS: Final = 0x400000
"""The virtual address of the segment, above vm.mmap_min_addr, the same as that of GNU ld for x86-64."""
PAGE_SIZE: Final = 0x10000
"""p_align: 64 KiB, the largest page size of the processors below."""
EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR: Final = struct.Struct("<IIQQQQQQ")
EM_X86_64, EM_AARCH64 = 62, 183
ET_EXEC: Final = 2
PT_LOAD: Final = 1
PF_R_X: Final = 4 | 1
"""PF_R | PF_X."""


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor: its e_machine number, and the machine code that waits forever."""

    machine: int
    code: bytes


PROCESSORS: Final[Mapping[str, Processor]] = {
    "amd64": Processor(
        machine=EM_X86_64,
        code=b"".join(
            (
                b"\xb8\x22\x00\x00\x00",  # mov  eax, 34    __NR_pause
                b"\x0f\x05",  # syscall
                b"\xeb\xf7",  # jmp  -9         EINTR after a signal: call it again
            )
        ),
    ),
    "arm64": Processor(
        machine=EM_AARCH64,
        code=b"".join(
            instruction.to_bytes(4, "little")
            for instruction in (
                0xD2800000,  # mov  x0, #0      ppoll(NULL, 0, NULL, NULL): arm64 has no pause(2)
                0xD2800001,  # mov  x1, #0
                0xD2800002,  # mov  x2, #0
                0xD2800003,  # mov  x3, #0
                0xD2800928,  # mov  x8, #73     __NR_ppoll
                0xD4000001,  # svc  #0
                0x17FFFFFA,  # b    -6          EINTR after a signal: call it again
            )
        ),
    ),
}
"""By the `Arch` that the Engine API reports."""


def program(processor: Processor) -> bytes:
    """Return the bytes of the executable file."""
    start = EHDR_SIZE + PHDR_SIZE
    size = start + len(processor.code)
    header = EHDR.pack(
        b"\x7fELF\x02\x01\x01",  # e_ident: magic, ELFCLASS64, ELFDATA2LSB, EV_CURRENT
        ET_EXEC,
        processor.machine,
        1,  # e_version: EV_CURRENT
        LOAD_ADDRESS + start,  # e_entry
        EHDR_SIZE,  # e_phoff
        0,  # e_shoff: no section headers
        0,  # e_flags
        EHDR_SIZE,  # e_ehsize
        PHDR_SIZE,  # e_phentsize
        1,  # e_phnum
        0,  # e_shentsize
        0,  # e_shnum
        0,  # e_shstrndx
    )
    program_header = PHDR.pack(PT_LOAD, PF_R_X, 0, LOAD_ADDRESS, LOAD_ADDRESS, size, size, PAGE_SIZE)
    return header + program_header + processor.code


def layer(processor: Processor) -> bytes:
    """Return the file system of the image: a tar archive with the program only, the same bytes in every call."""
    archive, content = io.BytesIO(), program(processor)
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo(BINARY_NAME)
        entry.size, entry.mode = len(content), 0o555
        tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
