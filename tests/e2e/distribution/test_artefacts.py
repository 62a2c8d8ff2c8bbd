"""What `make dist` builds is the same each time, complete, and described truly."""

from __future__ import annotations

import email
import hashlib
import json
import re
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from tests.e2e.distribution.builds import BIN, ROOT, Distribution, build, run, succeed

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
STEM = f"cloison-{PROJECT['version']}"


def members(path: Path) -> set[str]:
    """Return the names of an archive's files; those of a source distribution without their first folder."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return {name for name in archive.namelist() if not name.endswith("/")}
    with tarfile.open(path) as tar:
        return {member.name.partition("/")[2] for member in tar.getmembers() if member.isfile()}


def metadata(wheel: Path) -> email.message.Message:
    """Return the METADATA of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(f"{STEM}.dist-info/METADATA"))


def test_two_builds_of_one_commit_have_the_same_bytes(distribution: Distribution, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    surroundings = {"TMPDIR": str(tmp_path / "elsewhere"), "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "7"}
    again = build(tmp_path / "again", **surroundings)

    assert {
        f"{STEM}.tar.gz",
        f"{STEM}-py3-none-any.whl",
        f"{STEM}.cdx.json",
        f"{STEM}.provenance.json",
        "SHA256SUMS",
    } == again.contents().keys()
    assert distribution.contents() == again.contents()
    assert [] == [*(tmp_path / "elsewhere").iterdir()]


def test_twine_accepts_both(distribution: Distribution, tmp_path: Path) -> None:
    succeed(BIN / "twine", "check", "--strict", distribution.wheel, distribution.sdist, folder=tmp_path)


def test_the_checksums_are_those_of_the_files(distribution: Distribution) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=distribution.folder, check=True)
    named = {line.split()[1] for line in (distribution.folder / "SHA256SUMS").read_text().splitlines()}

    assert distribution.contents().keys() - {"SHA256SUMS"} == named


def test_the_provenance_names_the_files_by_digest_and_the_commit(distribution: Distribution) -> None:
    statement = json.loads(distribution.only("*.provenance.json").read_text())
    commit = succeed("git", "rev-parse", "HEAD", folder=ROOT).strip()
    predicate = statement["predicate"]

    assert "https://in-toto.io/Statement/v1" == statement["_type"]
    assert "https://slsa.dev/provenance/v1" == statement["predicateType"]
    assert {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (distribution.wheel, distribution.sdist, distribution.only("*.cdx.json"))
    }
    assert commit == predicate["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"]
    assert predicate["runDetails"]["builder"]["id"].endswith("#local-build")
    assert predicate["runDetails"]["metadata"]["cloison_signed"] is False


def test_the_provenance_says_whether_the_files_are_those_of_the_commit(distribution: Distribution) -> None:
    changes = succeed("git", "status", "--porcelain", folder=ROOT)
    build_definition = json.loads(distribution.only("*.provenance.json").read_text())["predicate"]["buildDefinition"]

    assert ("modified" if changes else "clean") == build_definition["internalParameters"]["workingTree"]


def test_the_bill_of_materials_has_every_locked_package(distribution: Distribution) -> None:
    bom = json.loads(distribution.only("*.cdx.json").read_text())
    locked = re.findall(r"^([a-z0-9.-]+)==([^ ]+)", (ROOT / "requirements/run.txt").read_text(), re.MULTILINE)

    assert ("CycloneDX", PROJECT["version"]) == (bom["bomFormat"], bom["metadata"]["component"]["version"])
    assert {*locked} == {(part["name"], part["version"]) for part in bom["components"]}
    assert locked


def test_the_wheel_has_two_typed_packages_and_one_program(distribution: Distribution) -> None:
    names = members(distribution.wheel)
    with zipfile.ZipFile(distribution.wheel) as archive:
        programs = archive.read(f"{STEM}.dist-info/entry_points.txt").decode()

    folders = {name.split("/")[0] for name in names}
    assert {"cloison", "cloison_view", f"{STEM}.dist-info", f"{STEM}.data"} == folders
    assert [f"{STEM}.data/data/share/man/man1/cloison.1"] == [name for name in names if ".data/" in name]
    assert {"cloison/py.typed", "cloison_view/py.typed"} <= names
    assert "[console_scripts]\ncloison = cloison.entry:main\n" == programs


def test_the_wheel_has_every_module_of_the_clone(distribution: Distribution) -> None:
    folders = {"cloison": ROOT / "src", "cloison_view": ROOT / "app"}
    modules = {
        str(path.relative_to(folder)) for name, folder in folders.items() for path in (folder / name).rglob("*.py")
    }

    assert modules == {name for name in members(distribution.wheel) if name.endswith(".py")}


def test_the_source_distribution_has_what_a_build_needs_and_nothing_else(distribution: Distribution) -> None:
    names = members(distribution.sdist)
    others = {name for name in names if not name.startswith(("src/cloison/", "app/cloison_view/"))}

    assert {
        *("README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"),
        *("requirements/run.txt", "man/cloison.1", "setup/man_page_hook.py"),
        *("PKG-INFO", ".gitignore"),  # hatchling adds both
    } == others


def test_the_metadata_leads_to_the_project(distribution: Distribution) -> None:
    found = metadata(distribution.wheel)
    labels = {url.partition(", ")[0] for url in found.get_all("Project-URL", [])}
    versions = {line for line in found.get_all("Classifier", []) if re.search(r":: 3\.\d+$", line)}

    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} == labels
    assert {f"Programming Language :: Python :: {version}" for version in ("3.11", "3.12", "3.13")} == versions
    assert "docker" in found["Keywords"].split(",")


def test_the_long_description_has_no_relative_link(distribution: Distribution) -> None:
    text = metadata(distribution.wheel).get_payload()
    assert isinstance(text, str)
    links = re.findall(r"\]\(([^)]+)\)", text)

    assert [] == [link for link in links if not link.startswith(("https://", "#"))]
    assert any(link.startswith("https://raw.githubusercontent.com/") for link in links)  # the image


def test_every_link_into_the_repository_names_a_file_of_it(distribution: Distribution) -> None:
    text = str(metadata(distribution.wheel).get_payload())
    paths = re.findall(
        r"https://(?:github\.com/cloison/cloison/blob|raw\.githubusercontent\.com/cloison/cloison)/main/([^)#\s]+)",
        text,
    )

    assert paths
    assert [] == [path for path in paths if not (ROOT / path).exists()]


def test_a_build_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    old = tmp_path / "cloison-0.0.1.tar.gz"
    old.write_bytes(b"old")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tar").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/tar").chmod(0o755)
    done = run(ROOT / "setup/dist.sh", tmp_path, folder=ROOT, PATH=f"{tmp_path}/bin:/usr/local/bin:/usr/bin:/bin")

    assert done.returncode != 0
    assert b"old" == old.read_bytes()
