"""Packs the running program and its packages into a tar archive, the build context of the agent's image.

Input: the installed distributions, or the Python of the base image. Output: the archive, and a digest of its content.
Rules:
  - The archive holds the program's own modules, and the files in the RECORD of each installed package.
  - A compiled package fits one Python, processor and C library. For another base image, the same locked packages are
    downloaded with the user's pip, whose index and certificates are configured already.
  - The same program gives the same digest, so that an existing image is found.
Source: https://packaging.python.org/en/latest/specifications/recording-installed-packages/.
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
OWN_PACKAGES: Final = (PROGRAM, "cloison_view")
"""The packages of the program: the agent derives the verdict with `cloison_view`, as every reader does."""
SITE: Final = "site"
REQUIREMENTS_FILE: Final = "agent.requirements.txt"
"""The locked packages in an installed program; a clone has them in requirements/run.txt."""
REQUIREMENTS_IN_CLONE: Final = Path("requirements/run.txt")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PLATFORMS: Final = {
    "gnu": ("manylinux_2_5", "manylinux1", "manylinux_2_12", "manylinux2010", "manylinux_2_17", "manylinux2014"),
    "musl": ("musllinux_1_1", "musllinux_1_2"),
}
"""Platform tags by C library that current images support (https://peps.python.org/pep-0600/, /pep-0656/)."""
PIP_TIMEOUT: Final = 300
"""Seconds to wait for pip."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python: its version, such as 3.11, and its ABI (SOABI), such as cpython-311-x86_64-linux-gnu."""

    version: str
    interface: str

    @property
    def processor(self) -> str:
        """The processor of the ABI, such as x86_64."""
        return self.interface.split("-")[2]

    @property
    def platforms(self) -> list[str]:
        """The platform tags whose packages it can load, for pip's --platform."""
        return [f"{libc}_{self.processor}" for libc in PLATFORMS.get(self.interface.split("-")[-1], ())]


VERSION_SCRIPT: Final = (
    "import sys, sysconfig; print('%d.%d' % sys.version_info[:2], sysconfig.get_config_var('SOABI'))"
)
"""The program that prints the version and the ABI of a Python."""


def running_interpreter() -> Interpreter:
    """Return the version and ABI of the Python that runs this program."""
    return Interpreter(f"{sys.version_info[0]}.{sys.version_info[1]}", str(sysconfig.get_config_var("SOABI")))


@cache
def digest() -> str:
    """Return the SHA-256 of the program's files and its packages' RECORDs, in hexadecimal."""
    packages = (f"{item.name} {item.version}\n{item.read_text('RECORD')}" for item in _packages())
    own = (name.encode() + content for name, content in _program())
    return hashlib.sha256(b"\0".join([*own, *sorted(text.encode() for text in packages)])).hexdigest()


def from_installed() -> bytes:
    """Return a build context with the packages that are installed here.

    Raises NotProven if a package has no RECORD.
    """
    return _context(_installed())


def from_index(target: Interpreter) -> bytes:
    """Return a build context with the locked packages for another Python.

    Raises NotProven if pip cannot download them.
    """
    platforms = [f"--platform={platform}" for platform in target.platforms]
    with tempfile.TemporaryDirectory(prefix="cloison-") as folder:
        words = ["-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--only-binary=:all:", "--no-compile"]
        chosen = [*platforms, f"--python-version={target.version}", "--implementation=cp", "--target", folder]
        locked = ["--require-hashes", "--requirement", str(_requirements_file())]
        result = run([sys.executable, *words, *chosen, *locked], seconds=PIP_TIMEOUT)
        if result.code != 0:
            raise NotProven(
                f"pip could not download the packages for Python {target.version} on {target.processor}: "
                f"{result.last_line}; let pip reach its index, or set CLOISON_PYTHON_IMAGE to an image "
                f"with Python {running_interpreter().version}"
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
    """Return the program's own files, and the METADATA file with its version."""
    own = distribution(PROGRAM)
    metadata = f"{PROGRAM}-{own.version}.dist-info/METADATA", (own.read_text("METADATA") or "").encode()
    return sorted([metadata, *(file for package in OWN_PACKAGES for file in _package_files(package))])


def _package_files(package: str) -> Iterator[tuple[str, bytes]]:
    root = Path(str(files(package)))
    for path in root.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            yield f"{package}/{path.relative_to(root)}", path.read_bytes()


def _installed() -> Iterator[tuple[str, bytes]]:
    for package in _packages():
        if package.files is None:
            raise NotProven(f"the package {package.name} is installed without a RECORD file")
        for path in package.files:
            if ".." not in path.parts and path.suffix != ".pyc":
                yield str(path), Path(str(path.locate())).read_bytes()


def _packages() -> list[Distribution]:
    """Return the installed packages that the program depends on, directly or through other packages."""
    found: dict[str, Distribution] = {}
    pending = list(_dependencies(distribution(PROGRAM)))
    while pending:
        name = pending.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # its environment marker excludes this system
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
