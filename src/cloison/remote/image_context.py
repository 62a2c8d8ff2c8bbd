"""Packs the running program and its packages as the build context of the agent's image.

Input: the installed program, and the Python of the base image. Output: the bytes of a tar archive.
Rules:
  - The context has the program's own modules, and the files that each package's RECORD names.
  - Compiled packages fit one Python, processor and C library. Where the base image differs, the same locked packages
    are fetched for it with the user's pip, whose index and certificates are configured already.
  - The same program gives the same digest, so that its image is found again.
Source: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Final

from cloison.errors import NotProven
from cloison.linux.subprocesses import run

PROGRAM: Final = "cloison"
SITE: Final = "site"
REQUIREMENTS_FILE: Final = "agent.requirements.txt"
"""The locked packages in an installed program; a clone has them in requirements/run.txt."""
REQUIREMENTS_IN_CLONE: Final = Path("requirements/run.txt")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PLATFORMS: Final = {
    "gnu": ("manylinux_2_5", "manylinux1", "manylinux_2_12", "manylinux2010", "manylinux_2_17", "manylinux2014"),
    "musl": ("musllinux_1_1", "musllinux_1_2"),
}
"""The platform tags that every recent image can load, by C library: https://peps.python.org/pep-0600/, /pep-0656/"""
PIP_TIMEOUT: Final = 300
"""Seconds for pip."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python: its version, like 3.11, and the interface of its packages, like cpython-311-x86_64-linux-gnu."""

    version: str
    interface: str

    @property
    def processor(self) -> str:
        """The processor that it runs on."""
        return self.interface.split("-")[2]

    @property
    def platforms(self) -> list[str]:
        """The platform tags of packages that fit it, as pip writes them."""
        return [f"{libc}_{self.processor}" for libc in PLATFORMS.get(self.interface.split("-")[-1], ())]


VERSION_SCRIPT: Final = (
    "import sys, sysconfig; print('%d.%d' % sys.version_info[:2], sysconfig.get_config_var('SOABI'))"
)
"""The program that prints the version and interface of a Python."""


def running_interpreter() -> Interpreter:
    """Return the Python that runs this process."""
    return Interpreter(f"{sys.version_info[0]}.{sys.version_info[1]}", str(sysconfig.get_config_var("SOABI")))


@cache
def digest() -> str:
    """Return the SHA-256 of the program and of its packages, in hexadecimal."""
    packages = (f"{item.name} {item.version}\n{item.read_text('RECORD')}" for item in _packages())
    own = (name.encode() + content for name, content in _program())
    return hashlib.sha256(b"\0".join([*own, *sorted(text.encode() for text in packages)])).hexdigest()


def from_installed() -> bytes:
    """Return a build context with the installed packages.

    Raises NotProven when a package has no list of its files.
    """
    return _context(_installed())


def from_index(target: Interpreter) -> bytes:
    """Return a build context with the locked packages for another Python.

    Raises NotProven when pip cannot get them.
    """
    platforms = [f"--platform={platform}" for platform in target.platforms]
    with tempfile.TemporaryDirectory(prefix="cloison-") as folder:
        words = ["-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--only-binary=:all:", "--no-compile"]
        chosen = [*platforms, f"--python-version={target.version}", "--implementation=cp", "--target", folder]
        locked = ["--require-hashes", "--requirement", str(_requirements_file())]
        result = run([sys.executable, *words, *chosen, *locked], seconds=PIP_TIMEOUT)
        if result.code != 0:
            raise NotProven(
                f"the packages for Python {target.version} on {target.processor} could not be fetched: "
                f"{result.last_line}; let pip reach its index, or name an image "
                f"with Python {running_interpreter().version} "
                "in CLOISON_PYTHON_IMAGE"
            )
        root = Path(folder)
        return _context((str(path.relative_to(root)), path.read_bytes()) for path in root.rglob("*") if path.is_file())


def _context(packages: Iterator[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, "Dockerfile", files("cloison.remote").joinpath("agent.Dockerfile").read_bytes())
        for name, content in sorted([*_program(), *packages]):
            _add(tar, f"{SITE}/{name}", content)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))


def _program() -> list[tuple[str, bytes]]:
    """Return the program's own files, and its metadata, which has its version."""
    own = distribution(PROGRAM)
    root = Path(str(files(PROGRAM)))
    modules = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc")
    metadata = f"{PROGRAM}-{own.version}.dist-info/METADATA", (own.read_text("METADATA") or "").encode()
    return sorted([metadata, *((f"{PROGRAM}/{path.relative_to(root)}", path.read_bytes()) for path in modules)])


def _installed() -> Iterator[tuple[str, bytes]]:
    for package in _packages():
        if package.files is None:
            raise NotProven(f"the package {package.name} is installed without a list of its files")
        for path in package.files:
            if ".." not in path.parts and path.suffix != ".pyc":
                yield str(path), Path(str(path.locate())).read_bytes()


def _packages() -> list[Distribution]:
    """Return the packages on which the program depends, directly or not."""
    found: dict[str, Distribution] = {}
    pending = list(_dependencies(distribution(PROGRAM)))
    while pending:
        name = pending.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # for another platform
            continue
        pending += _dependencies(found[name])
    return [found[name] for name in sorted(found)]


def _dependencies(package: Distribution) -> Iterator[str]:
    for line in package.requires or ():
        match = NAME.match(line)
        if match and "extra ==" not in line:
            yield re.sub(r"[-_.]+", "-", match[0]).lower()


def _requirements_file() -> Path:
    installed = Path(str(files("cloison.remote").joinpath(REQUIREMENTS_FILE)))
    return installed if installed.is_file() else Path(str(files(PROGRAM))).parents[1] / REQUIREMENTS_IN_CLONE
